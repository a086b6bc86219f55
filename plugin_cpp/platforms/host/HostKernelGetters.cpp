#include "ChargeConstraint.h"
#include "HostKernel.h"
#include <algorithm>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

// What a Context knows after a step.

void HostKernel::getStepData(ContextImpl&, StepData& data) {
    const size_t n = particles.size();
    const vector<Multipole>& induced = setup->response->induced;
    data.numParticles = n;
    data.iterations = setup->mutual ? setup->mutual->getIterations() : 0;
    data.sourceEnergy = setup->memory.energy;
    data.fieldScale = fieldScale;
    data.moments = setup->memory.moments;
    data.gradients = setup->memory.gradients;
    data.localCharges = setup->moments.flows ? atoms.localCharges : data.moments[CHARGE];
    data.moments[POLARIZABILITY].assign(9 * n, 0.0);
    data.inducedCharges.resize(n);
    data.inducedDipoles.resize(3 * n);
    for (size_t i = 0; i < n; i++) {
        writeMatrix(atoms.permanent[i].quadrupole, &data.moments[QUADRUPOLE][9 * i]);
        if (!atoms.polarizability.empty())
            writeMatrix(atoms.polarizability[i].component, &data.moments[POLARIZABILITY][9 * i]);
        data.inducedCharges[i] = induced[i].charge;
        for (int a = 0; a < 3; a++)
            data.inducedDipoles[3 * i + a] = induced[i].dipole[a];
    }
    if (const ChargeConstraint* constraint = setup->response->getConstraint())
        data.fermiLevels = constraint->getLevels();
    for (const Derivatives& phi : setup->embedding.potential) {
        data.embeddingPotential.push_back(phi.value);
        for (int a = 0; a < 3; a++)
            data.embeddingField.push_back(-phi.gradient[a]);
    }
}

void HostKernel::getPairFlows(ContextImpl&, PairFlows& flows) {
    if (!setup->moments.flows)
        return;
    setup->evaluation->getPairFlows(flows);
    Vec3 field = (externalField == Vec3() ? Vec3() : externalField * fieldScale);
    vector<double> felt(particles.size());
    for (size_t i = 0; i < felt.size(); i++)
        felt[i] = setup->response->feltPotential(i);
    flows.respond(felt, &field[0]);
    if (!setup->moments.conducts)
        fill(flows.induced.begin(), flows.induced.end(), 0.0);
}

bool HostKernel::getChargeTransfer(ContextImpl&, vector<double>& transfer) {
    transfer.resize(9 * particles.size());
    bool isAvailable = false;
    auto compute = [&]() { isAvailable = setup->evaluation->chargeTransfer(transfer.data()); };
    if (setup->evaluation->usesThreads())
        together(compute);
    else
        compute();
    return isAvailable;
}

void HostKernel::getPotential(ContextImpl&, const vector<Vec3>& points, vector<double>& potential) {
    setup->solver->potentialAtPoints(points, totalMoments(), potential);
}

void HostKernel::getPMEParameters(int& nx, int& ny, int& nz) const {
    int size[3];
    setup->solver->getMeshSize(size);
    nx = size[0];
    ny = size[1];
    nz = size[2];
}
