#include "ChargeConstraint.h"
#include "HostKernel.h"
#include <algorithm>
#include <numeric>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

// Induced moments that feel each other (theory.md section 9).

unique_ptr<MutualInduction> HostKernel::createMutualInduction(const PolarMPForce& force) {
    auto respond = [this](const Felt& felt, vector<Multipole>& induced) {
        vector<double>* flows = setup->memory.flows;
        if (setup->moments.conducts) {
            for (size_t i = 0; i < felt.size(); i++)
                flows[FLOW_POTENTIAL][i] = -felt.potential[i];
            flow(Vec3(), true);
        }
        vector<double> potential = felt.potential;
        if (const ChargeConstraint* constraint = setup->response->getConstraint())
            constraint->removeMeans(atoms, potential);
        for (size_t i = 0; i < felt.size(); i++) {
            induced[i] = Multipole();
            if (!atoms.softness.empty())
                induced[i].charge = atoms.softness[i] * potential[i];
            if (setup->moments.conducts)
                induced[i].charge += flows[FLOW_CHARGE][i];
            if (!atoms.polarizability.empty())
                induced[i].dipole = atoms.polarizability[i] * felt.gradient[i];
        }
    };
    auto interact = [this](const vector<Multipole>& induced, Felt& felt) {
        together([&]() { setup->solver->potentialAtAtoms(induced, phiInduced); });
        felt = setup->response->felt(phiInduced, induced);
    };
    return make_unique<MutualInduction>(force.getMutualInducedTargetEpsilon(), force.getMutualInducedMaxIterations(), respond, interact);
}

double HostKernel::respondDirectly(const Vec3& field) {
    double size = setup->response->respond(atoms, field);
    if (!setup->moments.conducts)
        return size;
    vector<double>* flows = setup->memory.flows;
    auto energyOfFlows = [&](bool responds) {
        flow(field, responds);
        return accumulate(flows[FLOW_ENERGY].begin(), flows[FLOW_ENERGY].end(), 0.0);
    };
    for (size_t i = 0; i < particles.size(); i++)
        flows[FLOW_POTENTIAL][i] = setup->response->feltPotential(i);
    const double ofTransfers = field == Vec3() ? 0 : energyOfFlows(false);
    size -= 2 * (energyOfFlows(true) - ofTransfers);
    for (size_t i = 0; i < particles.size(); i++)
        setup->response->induced[i].charge += flows[FLOW_CHARGE][i];
    return size;
}

void HostKernel::induceMutually(const Vec3& field) {
    OneShotResponse& response = *setup->response;
    if (haveJumped())
        setup->mutual->forget();
    const Felt guess = setup->mutual->predict(particles.size());
    response.fromInduced = guess;
    const double size = respondDirectly(field);
    setup->mutual->solve(guess, size, response.induced);
    together([&]() { computeInducedPotential(); });
    response.fromInduced = response.felt(phiInduced, response.induced);
    response.acceptInduced(atoms, field);
    setup->mutual->remember(response.fromInduced);
}

bool HostKernel::haveJumped() {
    constexpr double LONGEST_STEP = 0.5;  // A
    bool jumped = lastPositions.size() != atoms.positions.size() || !equal(setup->box, setup->box + 3, lastBox);
    for (size_t i = 0; i < lastPositions.size() && !jumped; i++) {
        Vec3 step = atoms.positions[i] - lastPositions[i];
        jumped = step.dot(step) > LONGEST_STEP * LONGEST_STEP;
    }
    lastPositions = atoms.positions;
    copy(setup->box, setup->box + 3, lastBox);
    return jumped;
}
