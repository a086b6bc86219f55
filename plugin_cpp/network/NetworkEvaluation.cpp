#include "NetworkEvaluation.h"
#include "openmm/OpenMMException.h"
#include <numeric>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
// A. A thicker skin is searched less often and holds more pairs.
const double SKIN = 0.5;
} // namespace

NetworkEvaluation::NetworkEvaluation(const NetworkSource& source, const SourceBuffers& buffers, unique_ptr<NetworkPasses> passes)
        : buffers(buffers), charges(source.getParameters().charges), projected(source.getParameters().chargeProjection),
          totalCharge(source.getTotalCharge()), pairs(buffers.numParticles, source.getParameters().cutoff, SKIN, buffers.threads),
          passes(move(passes)), movingCharges(buffers.numParticles, source.getParameters().layers * source.getParameters().cutoff, projected),
          chargeCotangents(buffers.numParticles) {
}

void NetworkEvaluation::forward(bool includeGradients) {
    const bool searched = pairs.update((const double*) buffers.positions, buffers.periodic ? buffers.cell : nullptr);
    Outputs outputs = {0, (double*) buffers.charges, (double*) buffers.dipoles, (double*) buffers.quadrupoles, (double*) buffers.softness,
                       (double*) buffers.polarizability};
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
        const double excess = (accumulate(outputs.charges, outputs.charges + n, 0.0) - totalCharge) / n;
        for (int i = 0; i < n; i++)
            outputs.charges[i] -= excess;
    }
}

void NetworkEvaluation::backward(const double field[3]) {
    const int n = buffers.numParticles;
    Cotangents cotangents;
    cotangents.energy = 1;
    cotangents.dipoles = (const double*) buffers.dipoleGradients;
    cotangents.quadrupoles = (const double*) buffers.quadrupoleGradients;
    cotangents.softness = (const double*) buffers.softnessGradients;
    cotangents.polarizability = (const double*) buffers.polarizabilityGradients;
    cotangents.charges = (const double*) buffers.chargeGradients;
    if (projected) {
        // Shifting all charges by a constant takes the mean from their derivatives.
        const double mean = accumulate(cotangents.charges, cotangents.charges + n, 0.0) / n;
        for (int i = 0; i < n; i++)
            chargeCotangents[i] = cotangents.charges[i] - mean;
        cotangents.charges = chargeCotangents.data();
    }
    double* forces = (double*) buffers.forces;
    passes->backward(pairs, cotangents, forces);
    for (int i = 0; i < 3 * n; i++)
        forces[i] = -forces[i];
    if (charges && buffers.periodic && (field[0] != 0 || field[1] != 0 || field[2] != 0)) {
        auto product = [&](const double* vector, double* result) {
            Cotangents ofCharges;
            ofCharges.charges = vector;
            passes->backward(pairs, ofCharges, result);
        };
        movingCharges.addForces((const double*) buffers.positions, buffers.cell, field, product, forces);
    }
}
