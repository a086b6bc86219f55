#include "ReferenceHeads.h"
#include <algorithm>
#include <cmath>

using namespace PolarMPPlugin;
using namespace std;

namespace {

using Units = HeadUnits;

/** Shortens values smoothly so that their norm stays below the limit. */
void bound(const double* values, int count, double limit, double* result) {
    double square = 0;
    for (int k = 0; k < count; k++)
        square += values[k] * values[k] / (limit * limit);
    for (int k = 0; k < count; k++)
        result[k] = values[k] / sqrt(1 + square);
}

/** The gradient by the values, from the gradient by the result. */
void boundBackward(const double* values, int count, double limit, const double* gradient, double* result) {
    double square = 0, along = 0;
    for (int k = 0; k < count; k++) {
        square += values[k] * values[k] / (limit * limit);
        along += values[k] * gradient[k] / (limit * limit);
    }
    for (int k = 0; k < count; k++)
        result[k] = gradient[k] / sqrt(1 + square) - values[k] * along / pow(1 + square, 1.5);
}

double bound(double value, double limit) {
    bound(&value, 1, limit, &value);
    return value;
}

double boundBackward(double value, double limit, double gradient) {
    double result;
    boundBackward(&value, 1, limit, &gradient, &result);
    return result;
}

} // namespace

ReferenceHeads::ReferenceHeads(const NetworkParameters& p) : p(p) {
    int row = 1;  // the energy is the first
    if (p.charges)
        chargeRow = row++;
    if (p.softness)
        softnessRow = row++;
    if (p.polarizability)
        polarizabilityRow = row++;
    for (auto [present, target] : {make_pair(p.dipoles, &dipoleRow), {p.quadrupoles, &quadrupoleRow}, {p.tensorPolarizability, &anisotropyRow}})
        if (present) {
            *target = row;
            row += p.channels;
        }
    edgeRow = row;
    numRows = row + p.numEdgeRows();
    species = &p.weight("heads.species.weight", {p.numSpecies, p.hidden});
    trunk = &p.weight("heads.trunk.weight", {p.hidden, p.layers * p.channels});
    trunkBias = &p.weight("heads.trunk.bias", {p.hidden});
    final = &p.weight("heads.final.weight", {numRows, p.hidden});
    finalBias = &p.weight("heads.final.bias", {numRows});
}

ReferenceHeads::Values ReferenceHeads::evaluate(int kind, const Array& invariants, const Array& features) const {
    Values v;
    v.linear = *trunkBias;
    const int n = invariants.size();
    for (int h = 0; h < p.hidden; h++) {
        v.linear[h] += (*species)[kind * p.hidden + h];
        for (int k = 0; k < n; k++)
            v.linear[h] += (*trunk)[h * n + k] * invariants[k];
        v.hidden.push_back(silu(v.linear[h]));
    }
    v.out = *finalBias;
    for (int row = 0; row < numRows; row++)
        for (int h = 0; h < p.hidden; h++)
            v.out[row] += (*final)[row * p.hidden + h] * v.hidden[h];
    v.energy = v.out[0];
    v.charge = p.charges ? Units::CHARGE * v.out[chargeRow] : 0;
    v.softness = p.softness ? Units::SOFTNESS * softplus(v.out[softnessRow] + Units::UNIT_SOFTPLUS) : 0;
    if (p.equilibrates()) {
        const double hardness = Units::HARDNESS * softplus(v.out[softnessRow] + Units::UNIT_SOFTPLUS);
        v.electronegativity = Units::ELECTRONEGATIVITY * (p.electronegativities[kind] + v.out[chargeRow]);
        v.softness = 1 / (1 / p.largestSoftness + hardness);
    }
    if (p.dipoles) {
        v.dipole = combine(features, 1, &v.out[dipoleRow]);
        for (double& x : v.dipole)
            x *= Units::MOMENT;
    }
    if (p.quadrupoles) {
        v.quadrupole = matrix(combine(features, 2, &v.out[quadrupoleRow]));
        for (double& x : v.quadrupole)
            x *= Units::MOMENT;
    }
    if (p.tensorPolarizability) {
        v.root = matrix(combine(features, 2, &v.out[anisotropyRow]));
        for (int a = 0; a < 3; a++)
            v.root[4 * a] += 1 + v.out[polarizabilityRow];
    }
    else if (p.polarizability)
        v.polarizability = Units::POLARIZABILITY * softplus(v.out[polarizabilityRow] + Units::UNIT_SOFTPLUS);
    return v;
}

AtomOutputs ReferenceHeads::forward(int kind, const Array& invariants, const Array& features) const {
    Values v = evaluate(kind, invariants, features);
    AtomOutputs result;
    result.energy = v.energy < 0 ? bound(v.energy, Units::LOWEST_ENERGY) : v.energy;
    if (p.equilibrates()) {
        const double chi = bound(v.electronegativity, Units::LARGEST_ELECTRONEGATIVITY);
        *result.moments[CHARGE] = -v.softness * chi;
        *result.moments[SOFTNESS] = v.softness;
        result.chargeEnergy = -0.5 * v.softness * chi * chi;
    }
    else {
        *result.moments[CHARGE] = bound(v.charge, Units::LARGEST_CHARGE);
        *result.moments[SOFTNESS] = bound(v.softness, p.largestSoftness);
    }
    if (p.dipoles)
        bound(v.dipole.data(), 3, Units::LARGEST_DIPOLE, result.moments[DIPOLE]);
    if (p.quadrupoles)
        bound(v.quadrupole.data(), 9, Units::LARGEST_QUADRUPOLE, result.moments[QUADRUPOLE]);
    if (p.tensorPolarizability) {
        double alpha[9] = {};
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                for (int c = 0; c < 3; c++)
                    alpha[3 * a + b] += Units::POLARIZABILITY * v.root[3 * a + c] * v.root[3 * b + c];
        bound(alpha, 9, p.largestPolarizability, result.moments[POLARIZABILITY]);
    }
    else if (p.polarizability)
        for (int a = 0; a < 3; a++)
            result.moments[POLARIZABILITY][4 * a] = bound(v.polarizability, p.largestPolarizability);
    result.edge.assign(v.out.begin() + edgeRow, v.out.end());
    return result;
}

void ReferenceHeads::backward(int kind, const Array& invariants, const Array& features, const AtomOutputs& g, Array& byInvariants,
                              Array& byFeatures) const {
    Values v = evaluate(kind, invariants, features);
    Array byOut(numRows);
    byOut[0] = v.energy < 0 ? boundBackward(v.energy, Units::LOWEST_ENERGY, g.energy) : g.energy;
    if (p.equilibrates()) {
        const double chi = bound(v.electronegativity, Units::LARGEST_ELECTRONEGATIVITY);
        const double byChi = -v.softness * (*g.moments[CHARGE] + chi * g.chargeEnergy);
        const double bySoftness = *g.moments[SOFTNESS] - chi * (*g.moments[CHARGE] + 0.5 * chi * g.chargeEnergy);
        byOut[chargeRow] = Units::ELECTRONEGATIVITY * boundBackward(v.electronegativity, Units::LARGEST_ELECTRONEGATIVITY, byChi);
        byOut[softnessRow] = -bySoftness * v.softness * v.softness * Units::HARDNESS * sigmoid(v.out[softnessRow] + Units::UNIT_SOFTPLUS);
    }
    else if (p.charges)
        byOut[chargeRow] = Units::CHARGE * boundBackward(v.charge, Units::LARGEST_CHARGE, *g.moments[CHARGE]);
    if (p.softness && !p.equilibrates())
        byOut[softnessRow] = Units::SOFTNESS * sigmoid(v.out[softnessRow] + Units::UNIT_SOFTPLUS)
                             * boundBackward(v.softness, p.largestSoftness, *g.moments[SOFTNESS]);
    if (p.dipoles) {
        Array byDipole(3);
        boundBackward(v.dipole.data(), 3, Units::LARGEST_DIPOLE, g.moments[DIPOLE], byDipole.data());
        for (double& x : byDipole)
            x *= Units::MOMENT;
        combineBackward(features, 1, &v.out[dipoleRow], byDipole, byFeatures, &byOut[dipoleRow]);
    }
    if (p.quadrupoles) {
        double byMatrix[9];
        boundBackward(v.quadrupole.data(), 9, Units::LARGEST_QUADRUPOLE, g.moments[QUADRUPOLE], byMatrix);
        for (double& x : byMatrix)
            x *= Units::MOMENT;
        combineBackward(features, 2, &v.out[quadrupoleRow], fromMatrix(byMatrix), byFeatures, &byOut[quadrupoleRow]);
    }
    if (p.tensorPolarizability) {
        double alpha[9] = {}, byAlpha[9], byRoot[9] = {};
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                for (int c = 0; c < 3; c++)
                    alpha[3 * a + b] += Units::POLARIZABILITY * v.root[3 * a + c] * v.root[3 * b + c];
        boundBackward(alpha, 9, p.largestPolarizability, g.moments[POLARIZABILITY], byAlpha);
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                for (int c = 0; c < 3; c++)
                    byRoot[3 * a + c] += Units::POLARIZABILITY * (byAlpha[3 * a + b] + byAlpha[3 * b + a]) * v.root[3 * b + c];
        byOut[polarizabilityRow] = byRoot[0] + byRoot[4] + byRoot[8];
        combineBackward(features, 2, &v.out[anisotropyRow], fromMatrix(byRoot), byFeatures, &byOut[anisotropyRow]);
    }
    else if (p.polarizability) {
        const double* byAlpha = g.moments[POLARIZABILITY];
        double trace = byAlpha[0] + byAlpha[4] + byAlpha[8];
        byOut[polarizabilityRow] = Units::POLARIZABILITY * sigmoid(v.out[polarizabilityRow] + Units::UNIT_SOFTPLUS)
                                   * boundBackward(v.polarizability, p.largestPolarizability, trace);
    }
    copy(g.edge.begin(), g.edge.end(), byOut.begin() + edgeRow);
    const int n = invariants.size();
    for (int h = 0; h < p.hidden; h++) {
        double byHidden = 0;
        for (int row = 0; row < numRows; row++)
            byHidden += (*final)[row * p.hidden + h] * byOut[row];
        for (int k = 0; k < n; k++)
            byInvariants[k] += (*trunk)[h * n + k] * byHidden * siluDerivative(v.linear[h]);
    }
}

Array ReferenceHeads::combine(const Array& features, int l, const double* weights) const {
    Array result(2 * l + 1);
    for (int m = 0; m < 2 * l + 1; m++)
        for (int c = 0; c < p.channels; c++)
            result[m] += features[(l * l + m) * p.channels + c] * weights[c] / sqrt(p.channels);
    return result;
}

void ReferenceHeads::combineBackward(const Array& features, int l, const double* weights, const Array& gradient, Array& byFeatures,
                                     double* byWeights) const {
    for (int m = 0; m < 2 * l + 1; m++)
        for (int c = 0; c < p.channels; c++) {
            const int k = (l * l + m) * p.channels + c;
            byFeatures[k] += gradient[m] * weights[c] / sqrt(p.channels);
            byWeights[c] += gradient[m] * features[k] / sqrt(p.channels);
        }
}

Array ReferenceHeads::matrix(const Array& components) const {
    Array result(9);
    for (int m = 0; m < 5; m++)
        for (int k = 0; k < 9; k++)
            result[k] += components[m] * p.tensorToCartesian[9 * m + k];
    return result;
}

Array ReferenceHeads::fromMatrix(const double* gradient) const {
    Array result(5);
    for (int m = 0; m < 5; m++)
        for (int k = 0; k < 9; k++)
            result[m] += gradient[k] * p.tensorToCartesian[9 * m + k];
    return result;
}
