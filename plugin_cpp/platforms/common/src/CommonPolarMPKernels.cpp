#include "CommonPolarMPKernels.h"
#include "KernelSources.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/PolarMPForceImpl.h"
#include <algorithm>
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

/** In a box any two particles may be exchanged. A cluster must not be split when OpenMM wraps molecules. */
class ForceInfo : public ComputeForceInfo {
public:
    ForceInfo(const vector<int>& particles, bool periodic) : particles(particles), periodic(periodic) {
    }
    int getNumParticleGroups() override {
        return periodic ? 0 : 1;
    }
    void getParticlesInGroup(int, vector<int>& group) override {
        group = particles;
    }
    bool areGroupsIdentical(int, int) override {
        return false;
    }

private:
    const vector<int> particles;
    const bool periodic;
};

vector<double> downloaded(const ComputeArray& array) {
    vector<double> values;
    array.download(values, true);
    return values;
}

} // namespace

CommonCalcPolarMPForceKernel::~CommonCalcPolarMPForceKernel() {
    ContextSelector selector(cc);
    setup.reset();
    checks.reset();
}

void CommonCalcPolarMPForceKernel::initialize(const System& system, const PolarMPForce& force) {
    ContextSelector selector(cc);
    particles = force.getParticles();
    if (particles.empty())
        for (int i = 0; i < system.getNumParticles(); i++)
            particles.push_back(i);
    periodic = force.usesPeriodicBoundaryConditions();
    embeddingParticles = force.getEmbeddingParticles();
    vector<int> all = particles;
    all.insert(all.end(), embeddingParticles.begin(), embeddingParticles.end());
    cc.addForce(new ForceInfo(all, periodic));

    differ.initialize<int>(cc, 1, "polarmpDiffer");
    map<string, string> defines = commonDefines(cc, particles.size());
    defines.merge(DeviceChecks::defines(all.size()));
    ComputeProgram program = cc.compileProgram(KernelSources::checks + KernelSources::positions, defines);
    checks = make_unique<DeviceChecks>(cc, all, program, allocateHostMemory(DeviceChecks::NUM_NOTES * sizeof(int)));
    mapParticles(atoms, particles, 0, program);
    if (!embeddingParticles.empty())
        mapParticles(charges, embeddingParticles, particles.size(), program);
    createSetup(force);
    resultsKernel = program->createKernel("addResults");
    for (int i = 0; i < 9; i++)
        resultsKernel->addArg();
    resultsKernel->addArg(checks->getNotes());
    chargeForcesKernel = program->createKernel("addForcesOnCharges");
    for (int i = 0; i < 4; i++)
        chargeForcesKernel->addArg();
    chargeForcesKernel->addArg(checks->getNotes());
}

void CommonCalcPolarMPForceKernel::mapParticles(ParticleMap& map, const vector<int>& indices, int first, ComputeProgram& program) {
    vector<int> particleOf(cc.getNumAtoms(), -1);
    for (size_t i = 0; i < indices.size(); i++)
        particleOf[indices[i]] = i;
    map.particleOf.initialize<int>(cc, particleOf.size(), "polarmpParticleOf");
    map.particleOf.upload(particleOf);
    map.atomOf.initialize<int>(cc, indices.size(), "polarmpAtomOf");
    map.present.initialize(cc, 3 * indices.size(), elementSize(cc, true), "polarmpPresentPositions");
    map.read = program->createKernel("readPositions");
    map.read->addArg(cc.getPosq());
    if (cc.getUseMixedPrecision())
        map.read->addArg(cc.getPosqCorrection());
    map.read->addArg(cc.getAtomIndexArray());
    map.read->addArg(map.particleOf);
    map.read->addArg();
    map.read->addArg(map.atomOf);
    map.read->addArg(checks->getNotes());
    map.read->addArg(first);
    map.compare = createKernel(program, "comparePositions", {&map.present, nullptr, &differ, nullptr});
    map.compare->setArg(3, (int) map.present.getSize());
}

shared_ptr<void> CommonCalcPolarMPForceKernel::allocateHostMemory(size_t bytes) {
    return shared_ptr<void>(new char[bytes](), [](void* memory) { delete[] static_cast<char*>(memory); });
}

void CommonCalcPolarMPForceKernel::readPositions(ParticleMap& map, ComputeArray& target) {
    map.read->setArg(cc.getUseMixedPrecision() ? 4 : 3, target);
    map.read->execute(cc.getNumAtoms());
}

bool CommonCalcPolarMPForceKernel::positionsDiffer(ParticleMap& map, ComputeArray& earlier) {
    readPositions(map, map.present);
    cc.clearBuffer(differ);
    map.compare->setArg(1, earlier);
    map.compare->execute(map.present.getSize());
    vector<int> result;
    differ.download(result);
    return result[0] != 0;
}

void CommonCalcPolarMPForceKernel::readBox() {
    if (!periodic)
        return;
    Vec3 present[3];
    cc.getPeriodicBoxVectors(present[0], present[1], present[2]);
    bool changed = false;
    for (int i = 0; i < 3; i++) {
        present[i] *= ANGSTROM_PER_NM;
        changed |= (present[i] != box[i]);
        for (int a = 0; a < 3; a++)
            setup->arrays.cell[3 * i + a] = present[i][a];
    }
    if (!changed)
        return;
    setup->solver->setBox(present);
    if (setup->mutual)
        setup->mutual->forget();
    copy(present, present + 3, box);
}

double CommonCalcPolarMPForceKernel::inverseVolume() const {
    return periodic ? 1 / fabs(box[0].dot(box[1].cross(box[2]))) : 0;
}

double CommonCalcPolarMPForceKernel::chi(double traceSum) const {
    return 4 * M_PI * COULOMB * traceSum * inverseVolume();
}

double CommonCalcPolarMPForceKernel::execute(ContextImpl& context, bool includeForces, bool isState) {
    ContextSelector selector(cc);
    Setup& s = *setup;
    int n = particles.size();
    if (!complete)
        checks->clear();
    complete = false;
    externalField = PolarMPForceImpl::externalField(context);
    readBox();
    readPositions(atoms, s.arrays.positions);
    const bool isEmbedded = (s.charges.size > 0);
    if (isEmbedded)
        readPositions(charges, s.charges.positions);
    // What does not depend on the moments is computed while the source is at work.
    s.link->forward(includeForces, [&]() {
        s.solver->setPositions();
        if (isEmbedded)
            s.solver->potentialOfCharges();
    });
    if (!s.link->checks())
        checks->checkMoments(s.arrays);
    checks->startDownload();
    bool chargesMove = includeForces && periodic && inField() && !s.link->isConstant();
    if (inField())
        s.sumForField->execute(REDUCTION_SIZE, REDUCTION_SIZE);
    if (inField() && periodic && s.screens() && (chargesMove || s.moments.flows))
        s.sums->start();
    FieldArguments field = {externalField, inverseVolume()};
    s.solver->induce(field);
    if (s.mutual)
        induceMutually(field);
    if (s.moments.flows)
        computeFlows();
    if (s.moments.induces() && !s.mutual)
        s.solver->potentialOfInduced();
    if (isEmbedded && includeForces)
        s.solver->forcesOnCharges();
    if (inField())
        s.sumInducedCharges->execute(REDUCTION_SIZE, REDUCTION_SIZE);
    field.setArgs(cc, s.differentiate, 10);
    s.differentiate->execute(n);

    if (includeForces) {
        // The source needs the field's latent scale: its copy to the host was queued before the potentials.
        Vec3 movingCharges;
        if (chargesMove)
            movingCharges = latentField();
        s.link->backward(&movingCharges[0]);
    }
    resultsKernel->setArg(0, s.response.energies);
    resultsKernel->setArg(1, s.arrays.energy);
    resultsKernel->setArg(2, s.response.forces);
    resultsKernel->setArg(3, s.arrays.forces);
    resultsKernel->setArg(4, atoms.atomOf);
    resultsKernel->setArg(5, cc.getLongForceBuffer());
    resultsKernel->setArg(6, cc.getEnergyBuffer());
    resultsKernel->setArg(7, (int) includeForces);
    resultsKernel->setArg(8, (int) s.arrays.energy.getSize());
    resultsKernel->execute(n);
    if (isEmbedded && includeForces) {
        chargeForcesKernel->setArg(0, s.charges.size);
        chargeForcesKernel->setArg(1, s.charges.forces);
        chargeForcesKernel->setArg(2, charges.atomOf);
        chargeForcesKernel->setArg(3, cc.getLongForceBuffer());
        chargeForcesKernel->execute(s.charges.size);
    }
    if (isState)
        checkForces();
    else
        readChecks(&DeviceChecks::poll);
    complete = true;
    return s.link->getConstantEnergy() * EV_TO_KJ_PER_MOL;  // the rest is in the energy buffer
}

Vec3 CommonCalcPolarMPForceKernel::latentField() const {
    if (!inField())
        return Vec3();
    return externalField * setup->latentScale.ofField(chi(periodic && setup->screens() ? traceSum() : 0));
}

void CommonCalcPolarMPForceKernel::computeFlows() {
    Setup& s = *setup;
    if (!s.moments.conducts && !inField()) {
        cc.clearBuffer(s.arrays.flows[FLOW_ENERGY]);  // of an earlier step in a field
        return;
    }
    flow(latentField());
    if (s.moments.conducts && !s.mutual)
        s.addFlows->execute(particles.size());
}

void CommonCalcPolarMPForceKernel::flow(const Vec3& field) {
    const double latent[3] = {field[0], field[1], field[2]};
    setup->link->flow(latent, setup->moments.conducts);
}

void CommonCalcPolarMPForceKernel::induceMutually(const FieldArguments& field) {
    auto flowIn = [&](bool inField) { flow(inField ? latentField() : Vec3()); };
    if (setup->mutual->solve(*setup->solver, field, flowIn))
        return;
    checkForces();  // names what is not finite
    throw OpenMMException("PolarMPForce: the potential of the induced moments is not finite");
}

double CommonCalcPolarMPForceKernel::traceSum() const {
    if (cc.getUseDoublePrecision() || cc.getUseMixedPrecision())
        return setup->sums->get<double>()[0];
    return setup->sums->get<float>()[0];
}

void CommonCalcPolarMPForceKernel::checkForces() {
    complete = false;
    checks->startDownload();
    readChecks(&DeviceChecks::wait);
    complete = true;
}

void CommonCalcPolarMPForceKernel::readChecks(void (DeviceChecks::*read)(const SourceArrays&) const) const {
    try {
        ((*checks).*read)(setup->arrays);
    } catch (const OpenMMException&) {
        // The external field may be the reason.
        if (inField() && periodic && setup->screens())
            setup->latentScale.ofField(chi(downloaded(setup->response.sums)[0]));
        throw;
    }
}

bool CommonCalcPolarMPForceKernel::isCurrent(ContextImpl& context) {
    ContextSelector selector(cc);
    if (!complete || PolarMPForceImpl::externalField(context) != externalField)
        return false;
    checkForces();
    Vec3 present[3];
    cc.getPeriodicBoxVectors(present[0], present[1], present[2]);
    for (int i = 0; i < 3 && periodic; i++)
        if (present[i] * ANGSTROM_PER_NM != box[i])
            return false;
    if (positionsDiffer(atoms, setup->arrays.positions))
        return false;
    return setup->charges.size == 0 || !positionsDiffer(charges, setup->charges.positions);
}

void CommonCalcPolarMPForceKernel::getStepData(ContextImpl&, StepData& data) {
    ContextSelector selector(cc);
    checkForces();
    Setup& s = *setup;
    int n = particles.size();
    data.numParticles = n;
    data.iterations = s.mutual ? s.mutual->getIterations() : 0;
    data.sourceEnergy = s.link->getConstantEnergy();
    for (double energy : downloaded(s.arrays.energy))
        data.sourceEnergy += energy;
    for (Moment m : ALL_MOMENTS) {
        data.moments[m] = downloaded(s.arrays.moments[m]);
        data.gradients[m] = downloaded(s.arrays.gradients[m]);
    }
    vector<double> permanent = downloaded(s.response.permanent), induced = downloaded(s.response.induced);
    const vector<double> alpha = data.moments[POLARIZABILITY];
    data.localCharges = s.moments.flows ? downloaded(s.arrays.flows[LOCAL_CHARGE]) : data.moments[CHARGE];
    data.inducedCharges.resize(n);
    data.inducedDipoles.resize(3 * n);
    double trace = 0;
    if (s.moments.conducts)
        for (double share : downloaded(s.arrays.flows[FLOW_POLARIZABILITY]))
            trace += share;
    for (int i = 0; i < n; i++) {
        data.inducedCharges[i] = induced[10 * i];
        for (int a = 0; a < 3; a++) {
            data.inducedDipoles[3 * i + a] = induced[10 * i + 1 + a];
            for (int b = 0; b < 3; b++) {
                int low = min(a, b), high = max(a, b), index = 9 * i + 3 * a + b;
                data.moments[QUADRUPOLE][index] = permanent[10 * i + 4 + low * (5 - low) / 2 + high];
                data.moments[POLARIZABILITY][index] = s.moments[POLARIZABILITY] ? 0.5 * (alpha[index] + alpha[9 * i + 3 * b + a]) : 0;
            }
            trace += data.moments[POLARIZABILITY][9 * i + 4 * a] / 3;
        }
    }
    data.fieldScale = setup->latentScale.of(chi(trace));
    if (s.constraint)
        data.fermiLevels = downloaded(s.constraint->levels);
    if (s.charges.size == 0)
        return;
    const vector<double> phiCharges = downloaded(s.charges.potential);
    for (int i = 0; i < n; i++) {
        data.embeddingPotential.push_back(phiCharges[20 * i]);
        for (int a = 0; a < 3; a++)
            data.embeddingField.push_back(-phiCharges[20 * i + 1 + a]);
    }
}

void CommonCalcPolarMPForceKernel::getPairFlows(ContextImpl& context, PairFlows& flows) {
    if (!setup->moments.flows)
        return;
    ContextSelector selector(cc);
    checkForces();
    StepData data;
    getStepData(context, data);
    setup->link->getPairFlows(flows);
    Vec3 field = (inField() ? externalField * data.fieldScale : Vec3());
    flows.respond(downloaded(setup->arrays.flows[FLOW_POTENTIAL]), &field[0]);
    if (!setup->moments.conducts)
        fill(flows.induced.begin(), flows.induced.end(), 0.0);
}

bool CommonCalcPolarMPForceKernel::getChargeTransfer(ContextImpl&, vector<double>& transfer) {
    ContextSelector selector(cc);
    checkForces();
    return setup->link->chargeTransfer(transfer);
}

void CommonCalcPolarMPForceKernel::getPotential(ContextImpl&, const vector<Vec3>& points, vector<double>& potential) {
    potential.clear();
    if (points.empty())
        return;
    ContextSelector selector(cc);
    checkForces();
    Setup& s = *setup;
    ComputeArray places, values, total;
    places.initialize(cc, 3 * points.size(), s.arrays.positions.getElementSize(), "polarmpPoints");
    values.initialize(cc, points.size(), s.response.permanent.getElementSize(), "polarmpPointPotential");
    total.initialize(cc, s.response.permanent.getSize(), s.response.permanent.getElementSize(), "polarmpTotal");
    vector<double> coordinates, sources = downloaded(s.response.permanent), induced = downloaded(s.response.induced);
    for (const Vec3& point : points)
        for (int a = 0; a < 3; a++)
            coordinates.push_back(point[a]);
    for (size_t i = 0; i < sources.size(); i++)
        sources[i] += induced[i];
    places.upload(coordinates, true);
    total.upload(sources, true);
    s.solver->potentialAtPoints(places, total, values);
    potential = downloaded(values);
}

void CommonCalcPolarMPForceKernel::getPMEParameters(int& nx, int& ny, int& nz) const {
    int size[3];
    setup->solver->getMeshSize(size);
    nx = size[0];
    ny = size[1];
    nz = size[2];
}
