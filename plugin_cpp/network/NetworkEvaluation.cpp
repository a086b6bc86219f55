#include "NetworkEvaluation.h"
#include "MovingCharges.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <numeric>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
// A. With a thicker skin pairs are searched less often, but there are more of them.
const double SKIN = 0.5;
} // namespace

NetworkEvaluation::NetworkEvaluation(const NetworkSource& source, const SourceBuffers& buffers, unique_ptr<NetworkPasses> passes)
        : buffers(buffers), charges(source.getParameters().charges), flows(source.getParameters().flows()), projected(source.getParameters().chargeProjection),
          totalCharge(source.getTotalCharge()), pairs(buffers.numParticles, source.getParameters().cutoff, SKIN, buffers.threads),
          passes(move(passes)), chargeCotangents(buffers.numParticles) {
}

void NetworkEvaluation::forward(bool) {
    const bool searched = pairs.update((const double*) buffers.positions, buffers.periodic ? buffers.cell : nullptr);
    Outputs outputs = {};
    for (Moment m : ALL_MOMENTS)
        outputs.moments[m] = (double*) buffers.moments[m];
    outputs.localCharges = (double*) buffers.flows[LOCAL_CHARGE];
    outputs.flowPolarizability = (double*) buffers.flows[FLOW_POLARIZABILITY];
    flowed = {};
    try {
        passes->forward(pairs, searched, outputs);
    }
    catch (const Overlap& overlap) {
        throw OpenMMException("PolarMPForce: the particles " + to_string(buffers.particles[overlap.first]) + " and "
                              + to_string(buffers.particles[overlap.second]) + " lie at the same place");
    }
    *(double*) buffers.energy = outputs.energy;
    if (projected) {
        const int n = buffers.numParticles;
        double* q = outputs.moments[CHARGE];
        const double excess = (accumulate(q, q + n, 0.0) - totalCharge) / n;
        for (int i = 0; i < n; i++)
            q[i] -= excess;
        for (int i = 0; i < n && flows; i++)
            outputs.localCharges[i] -= excess;
    }
}

void NetworkEvaluation::flow(const double field[3], bool responds) {
    flowed = {(const double*) buffers.flows[FLOW_POTENTIAL], {field[0], field[1], field[2]}, responds};
    passes->flow(pairs, flowed, (double*) buffers.flows[FLOW_CHARGE], (double*) buffers.flows[FLOW_ENERGY]);
}

void NetworkEvaluation::getPairFlows(PairFlows& result) {
    passes->getPairFlows(pairs, result);
}

void NetworkEvaluation::backward(const double field[3]) {
    const int n = buffers.numParticles;
    Cotangents cotangents;
    cotangents.energy = 1;
    for (Moment m : ALL_MOMENTS)
        cotangents.moments[m] = (const double*) buffers.gradients[m];
    if (projected) {
        // The charges are shifted by a constant: their derivatives lose their mean.
        const double* gradients = cotangents.moments[CHARGE];
        const double mean = accumulate(gradients, gradients + n, 0.0) / n;
        for (int i = 0; i < n; i++)
            chargeCotangents[i] = gradients[i] - mean;
        cotangents.moments[CHARGE] = chargeCotangents.data();
    }
    const FlowCotangents byFlows = {flowed, {field[0], field[1], field[2]}};
    if (flows)
        cotangents.flows = &byFlows;
    double* forces = (double*) buffers.forces;
    passes->backward(pairs, cotangents, forces);
    for (int i = 0; i < 3 * n; i++)
        forces[i] = -forces[i];
    if (!buffers.periodic || (field[0] == 0 && field[1] == 0 && field[2] == 0))
        return;
    transfer.resize(9 * n);
    chargeTransfer(transfer.data());
    for (int i = 0; i < n; i++)
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                forces[3 * i + b] += field[a] * transfer[9 * i + 3 * a + b];
}

bool NetworkEvaluation::chargeTransfer(double* result) {
    const int n = buffers.numParticles;
    if (!charges) {
        fill(result, result + 9 * n, 0.0);
        return true;
    }
    chargeGradient.resize(3 * n);
    passes->chargeTransfer(pairs, chargeGradient.data(), result);
    if (projected)
        addProjectionTransfer(n, (const double*) buffers.positions, buffers.periodic ? buffers.cell : nullptr, chargeGradient.data(), result);
    return true;
}
