#include "openmm_polarmp/internal/PolarMPForceImpl.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm_polarmp/PolarMPKernels.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/Warning.h"
#include <cmath>
#include <set>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
CalcPolarMPForceKernel& implementation(Kernel& kernel) {
    return kernel.getAs<CalcPolarMPForceKernel>();
}
} // namespace

void PolarMPForceImpl::initialize(ContextImpl& context) {
    const System& system = context.getSystem();
    for (int index : owner.getParticles())
        if (index >= system.getNumParticles())
            throw OpenMMException("PolarMPForce: particles contains " + to_string(index) + ", but the System has "
                                  + to_string(system.getNumParticles()) + " particles");
    particles = owner.getParticles();
    numParticles = particles.empty() ? system.getNumParticles() : (int) particles.size();
    nonbondedMethod = owner.getNonbondedMethod();
    checkSettings();
    checkEmbedding(system);
    embeddingParticles = owner.getEmbeddingParticles();
    for (int i = 0; i < system.getNumForces() && owner.getKMax() > 0 && owner.usesPeriodicBoundaryConditions(); i++)
        if (system.getForce(i).getName().find("Barostat") != string::npos)
            warn("PolarMPForce has a hard cutoff of the reciprocal sum (kMax): the energy jumps when " + system.getForce(i).getName()
                 + " changes the box");
    kernel = context.getPlatform().createKernel(CalcPolarMPForceKernel::Name(), context);
    implementation(kernel).initialize(system, owner);
}

void PolarMPForceImpl::checkSettings() {
    checkSource();
    checkBoundary();
    checkTotalCharge();
}

void PolarMPForceImpl::checkSource() const {
    int described = owner.requireSource()->getNumParticles();
    if (described != numParticles)
        throw OpenMMException("PolarMPForce: the source describes " + to_string(described) + " particles, but the force acts on "
                              + to_string(numParticles));
}

void PolarMPForceImpl::checkBoundary() const {
    const char* const names[] = {"conducting", "slab_z", "vacuum"};
    if (owner.getBoundary() != PolarMPForce::Conducting && !owner.usesPeriodicBoundaryConditions())
        throw OpenMMException(string("PolarMPForce: boundary is '") + names[owner.getBoundary()]
                              + "' without a periodic box; it is accepted with the nonbonded method PME");
}

void PolarMPForceImpl::checkTotalCharge() {
    const bool isConstrained = !owner.getConstrainedCharges().empty();
    hasLevels = isConstrained || owner.hasFermiLevel();
    if (!hasLevels)
        return;
    if (isConstrained && owner.hasFermiLevel())
        throw OpenMMException("PolarMPForce: a Fermi level and a total charge constraint are set; one of them is accepted, because either follows "
                              "from the other");
    const string what = isConstrained ? "a total charge constraint" : "a Fermi level";
    if (owner.getPolarizationType() != PolarMPForce::Mutual)
        throw OpenMMException("PolarMPForce: " + what + " is set with polarization type " + to_string((int) owner.getPolarizationType())
                              + "; Mutual (2) is accepted");
    const MomentSet moments = owner.requireSource()->getMomentSet();
    if (!moments[SOFTNESS])
        throw OpenMMException("PolarMPForce: " + what + " is set, but no atom can take up charge; a source with softness is accepted");
    if (moments.conducts && !owner.getConstrainedGroups().empty())
        throw OpenMMException("PolarMPForce: the total charge constraint has groups, between which charge of this source can flow; one charge for "
                              "all particles is accepted");
    const set<int> learned(particles.begin(), particles.end());
    for (size_t g = 0; g < owner.getConstrainedGroups().size(); g++)
        for (int index : owner.getConstrainedGroups()[g])
            if (learned.empty() ? index >= numParticles : learned.count(index) == 0)
                throw OpenMMException("PolarMPForce: group " + to_string(g) + " of the total charge constraint contains particle "
                                      + to_string(index) + "; particles whose moments come from the source are accepted");
}

void PolarMPForceImpl::checkField(ContextImpl& context) const {
    if (!hasLevels || nonbondedMethod != PolarMPForce::PME || externalField(context) == Vec3())
        return;
    throw OpenMMException("PolarMPForce: there is an external field in a periodic box with a total charge constraint or a Fermi level; a "
                          "field is accepted with NoCutoff, because charge that moves any distance has no unique polarization in a box");
}

void PolarMPForceImpl::checkEmbedding(const System& system) const {
    set<int> learned(owner.getParticles().begin(), owner.getParticles().end());
    for (int index : owner.getEmbeddingParticles()) {
        if (index >= system.getNumParticles())
            throw OpenMMException("PolarMPForce: particle " + to_string(index) + " has an embedding charge, but the System has "
                                  + to_string(system.getNumParticles()) + " particles");
        if (learned.empty() || learned.count(index) > 0)
            throw OpenMMException("PolarMPForce: particle " + to_string(index) + " has an embedding charge, but is among the particles whose "
                                  + "moments come from the source" + (learned.empty() ? " (all, because setParticles() was not called)" : "")
                                  + "; embedding charges belong to other particles");
    }
}

void PolarMPForceImpl::updateContextState(ContextImpl& context, bool&) {
    stepInProgress = context.getStepCount();
}

double PolarMPForceImpl::calcForcesAndEnergy(ContextImpl& context, bool includeForces, bool includeEnergy, int groups) {
    if ((groups & (1 << owner.getForceGroup())) == 0)
        return 0.0;
    checkField(context);
    // Integrators count a step at its end.
    long long previousSteps = stepInProgress;
    bool isState = includeEnergy || context.getStepCount() != previousSteps;
    // Both keep these values if the source throws an exception.
    evaluated = false;
    stepInProgress = -1;
    double energy = implementation(kernel).execute(context, includeForces, isState);
    evaluated = true;
    stepInProgress = previousSteps;
    return energy;
}

map<string, double> PolarMPForceImpl::getDefaultParameters() {
    return {{PolarMPForce::FieldX(), 0.0}, {PolarMPForce::FieldY(), 0.0}, {PolarMPForce::FieldZ(), 0.0}};
}

vector<string> PolarMPForceImpl::getKernelNames() {
    return {CalcPolarMPForceKernel::Name()};
}

void PolarMPForceImpl::ensureEvaluated(ContextImpl& context) {
    if (!evaluated || !implementation(kernel).isCurrent(context))
        context.calcForcesAndEnergy(true, false, 1 << owner.getForceGroup());
}

void PolarMPForceImpl::getPMEParameters(int& nx, int& ny, int& nz) {
    implementation(kernel).getPMEParameters(nx, ny, nz);
}

void PolarMPForceImpl::getStepData(ContextImpl& context, StepData& data) {
    ensureEvaluated(context);
    implementation(kernel).getStepData(context, data);
}

void PolarMPForceImpl::getPairFlows(ContextImpl& context, PairFlows& flows) {
    ensureEvaluated(context);
    implementation(kernel).getPairFlows(context, flows);
}

bool PolarMPForceImpl::getChargeTransfer(ContextImpl& context, vector<double>& transfer) {
    ensureEvaluated(context);
    return implementation(kernel).getChargeTransfer(context, transfer);
}

void PolarMPForceImpl::getElectrostaticPotential(ContextImpl& context, const vector<Vec3>& points, vector<double>& potential) {
    for (size_t i = 0; i < points.size(); i++)
        for (int j = 0; j < 3; j++)
            if (!isfinite(points[i][j]))
                throw OpenMMException("PolarMPForce: points[" + to_string(i) + "] is not finite");
    ensureEvaluated(context);
    vector<Vec3> pointsInAngstrom;
    for (const Vec3& point : points)
        pointsInAngstrom.push_back(point * ANGSTROM_PER_NM);
    implementation(kernel).getPotential(context, pointsInAngstrom, potential);
}

void PolarMPForceImpl::updateParametersInContext(ContextImpl& context) {
    auto name = [](PolarMPForce::NonbondedMethod method) { return string(method == PolarMPForce::PME ? "PME" : "NoCutoff"); };
    if (owner.getNonbondedMethod() != nonbondedMethod)
        throw OpenMMException("PolarMPForce: the nonbonded method is " + name(owner.getNonbondedMethod()) + ", but the Context was created with "
                              + name(nonbondedMethod) + "; it can only be changed by reinitializing the Context");
    if (owner.getParticles() != particles)
        throw OpenMMException("PolarMPForce: the particles differ from those that the Context was created with; they can only be changed by "
                              "reinitializing the Context");
    if (owner.getEmbeddingParticles() != embeddingParticles)
        throw OpenMMException("PolarMPForce: the particles with embedding charges differ from those that the Context was created with; they can "
                              "only be changed by reinitializing the Context");
    checkSettings();
    implementation(kernel).copyParametersToContext(context, owner);
    evaluated = false;
    context.systemChanged();
}

Vec3 PolarMPForceImpl::externalField(ContextImpl& context) {
    return Vec3(context.getParameter(PolarMPForce::FieldX()), context.getParameter(PolarMPForce::FieldY()),
                context.getParameter(PolarMPForce::FieldZ()))
           * VOLT_PER_ANGSTROM_PER_VOLT_PER_NM;
}
