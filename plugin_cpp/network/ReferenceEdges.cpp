#include "ReferenceEdges.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace std;

namespace {

using Units = HeadUnits;

double bound(double value, double limit) {
    return value / sqrt(1 + pow(value / limit, 2));
}

double boundSlope(double value, double limit) {
    return pow(1 + pow(value / limit, 2), -1.5);
}

} // namespace

ReferenceEdges::ReferenceEdges(const NetworkParameters& p)
        : p(p), transferUnit(Units::TRANSFER / p.radialScale), conductanceUnit(Units::CONDUCTANCE / pow(p.radialScale, 2)) {
    if (p.transfers)
        transferTable = &p.weight("edge_heads.transfer", {p.numSpecies, p.numSpecies, p.numRadial});
    if (p.conducts)
        conductanceTable = &p.weight("edge_heads.conductance", {p.numSpecies, p.numSpecies, p.numRadial});
}

double ReferenceEdges::mixed(Atom i, Atom j, int n) const {
    const int v = p.numRadial + n;
    const double bySpecies = (*transferTable)[(i.kind * p.numSpecies + j.kind) * p.numRadial + n];
    return i.numbers[n] * j.numbers[v] - j.numbers[n] * i.numbers[v] + bySpecies;
}

double ReferenceEdges::soft(Atom atom) const {
    return softplus(atom.numbers.back() + Units::UNIT_SOFTPLUS);
}

ReferenceEdges::Parts ReferenceEdges::evaluate(Atom i, Atom j, const Array& B) const {
    Parts parts;
    for (int n = 0; n < p.numRadial && p.transfers; n++)
        parts.transfer += transferUnit * B[n] * mixed(i, j, n);
    if (p.conducts) {
        for (int n = 0; n < p.numRadial; n++)
            parts.root += B[n] * (*conductanceTable)[(i.kind * p.numSpecies + j.kind) * p.numRadial + n];
        parts.softness = soft(i) * soft(j);
        parts.conductance = conductanceUnit * pow(parts.root, 2) * parts.softness;
    }
    return parts;
}

ReferenceEdges::Values ReferenceEdges::forward(Atom i, Atom j, const Array& B) const {
    const Parts parts = evaluate(i, j, B);
    return {bound(parts.transfer, Units::LARGEST_TRANSFER), bound(parts.conductance, Units::LARGEST_CONDUCTANCE)};
}

void ReferenceEdges::backward(Atom i, Atom j, const Array& B, Values gradient, Array& byReceiver, Array& byB) const {
    const Parts parts = evaluate(i, j, B);
    byB.assign(p.numRadial, 0.0);
    const double byTransfer = gradient.transfer * boundSlope(parts.transfer, Units::LARGEST_TRANSFER) * transferUnit;
    for (int n = 0; n < p.numRadial && p.transfers; n++) {
        byB[n] += byTransfer * mixed(i, j, n);
        byReceiver[n] += byTransfer * B[n] * j.numbers[p.numRadial + n];
        byReceiver[p.numRadial + n] -= byTransfer * B[n] * j.numbers[n];
    }
    if (!p.conducts)
        return;
    const double byConductance = gradient.conductance * boundSlope(parts.conductance, Units::LARGEST_CONDUCTANCE) * conductanceUnit;
    for (int n = 0; n < p.numRadial; n++)
        byB[n] += byConductance * 2 * parts.root * parts.softness * (*conductanceTable)[(i.kind * p.numSpecies + j.kind) * p.numRadial + n];
    byReceiver.back() += byConductance * pow(parts.root, 2) * soft(j) * sigmoid(i.numbers.back() + Units::UNIT_SOFTPLUS);
}
