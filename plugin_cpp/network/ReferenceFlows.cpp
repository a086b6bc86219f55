#include "ReferenceNetwork.h"

using namespace PolarMPPlugin;
using namespace std;

// Charge that flows between neighbours (theory.md section 8). Every pair is visited from both of its atoms.

namespace {

double dot(const double* a, const double* b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

} // namespace

ReferenceEdges::Atom ReferenceNetwork::edgeAtom(int atom) const {
    return {kindOf[atom], edgeNumbers[atom]};
}

/** Adds what the atoms have exchanged to their charges. */
void ReferenceNetwork::exchange(Outputs& outputs) {
    edgeValues.assign(pairsOf.size(), {});
    for (size_t atom = 0; atom < pairsOf.size(); atom++) {
        const int particle = particleOf[atom];
        double& charge = outputs.moments[CHARGE][particle];
        outputs.localCharges[particle] = charge;
        outputs.flowPolarizability[particle] = 0;
        for (const Pair& pair : pairsOf[atom]) {
            const ReferenceEdges::Values values = edges.forward(edgeAtom(atom), edgeAtom(pair.sender), PairFunctions(p, pair.displacement).B);
            edgeValues[atom].push_back(values);
            charge += values.transfer;
            outputs.flowPolarizability[particle] += 0.5 * values.conductance * dot(pair.displacement, pair.displacement) / 3;
        }
    }
}

/** Phi'_i - Phi'_j - E.d_ij, where d_ij is minus the displacement. */
double ReferenceNetwork::dropOf(int atom, const Pair& pair, const FlowPotential& from) const {
    return from.potential[particleOf[atom]] - from.potential[particleOf[pair.sender]] + dot(from.field, pair.displacement);
}

void ReferenceNetwork::flow(const PairList&, const FlowPotential& from, double* charges, double* energies) {
    for (size_t atom = 0; atom < pairsOf.size(); atom++) {
        double charge = 0, energy = 0;
        for (size_t k = 0; k < pairsOf[atom].size(); k++) {
            const Pair& pair = pairsOf[atom][k];
            const double drop = dropOf(atom, pair, from), flowed = from.responds ? -edgeValues[atom][k].conductance * drop : 0;
            charge += flowed;
            energy += 0.5 * (0.5 * flowed * drop + edgeValues[atom][k].transfer * dot(from.field, pair.displacement));
        }
        charges[particleOf[atom]] = charge;
        energies[particleOf[atom]] = energy;
    }
}

void ReferenceNetwork::getPairFlows(const PairList&, PairFlows& flows) const {
    for (size_t atom = 0; atom < pairsOf.size(); atom++)
        for (size_t k = 0; k < pairsOf[atom].size(); k++) {
            const Pair& pair = pairsOf[atom][k];
            const double *r = pair.displacement, vector[3] = {-r[0], -r[1], -r[2]};
            flows.add(particleOf[atom], particleOf[pair.sender], vector, 0.5 * edgeValues[atom][k].transfer, 0.5 * edgeValues[atom][k].conductance);
        }
}

/** Gradients by the atom's numbers that its pairs use, and by its position: the other atoms' come from their own visits. */
Array ReferenceNetwork::exchangeBackward(int atom, const Cotangents& cotangents, double* gradient) const {
    Array byNumbers(p.numEdgeRows()), byB;
    if (cotangents.flows == nullptr)
        return byNumbers;
    const FlowPotential& from = cotangents.flows->flow;
    const double* byCharges = cotangents.moments[CHARGE];
    const int particle = particleOf[atom];
    for (const Pair& pair : pairsOf[atom]) {
        ReferenceEdges::Values by;
        by.transfer = byCharges[particle] - byCharges[particleOf[pair.sender]] + dot(cotangents.flows->transferField, pair.displacement);
        if (from.responds) {
            const double drop = dropOf(atom, pair, from);
            by.conductance = -0.5 * drop * drop;
        }
        const PairFunctions f(p, pair.displacement);
        edges.backward(edgeAtom(atom), edgeAtom(pair.sender), f.B, by, byNumbers, byB);
        for (int a = 0; a < 3; a++)
            for (int n = 0; n < p.numRadial; n++)
                gradient[3 * particle + a] -= byB[n] * f.dB[a][n];
    }
    return byNumbers;
}
