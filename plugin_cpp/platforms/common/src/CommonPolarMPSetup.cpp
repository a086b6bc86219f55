#include "CommonPolarMPKernels.h"
#include "DeviceMesh.h"
#include "DeviceNetwork.h"
#include "KernelSources.h"
#include "openmm/common/ContextSelector.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

// What a kernel creates from the source and the settings of a force.

namespace {
bool isMutual(const PolarMPForce& force, const MomentSet& moments) {
    return force.getPolarizationType() == PolarMPForce::Mutual && moments.induces();
}
} // namespace

void CommonCalcPolarMPForceKernel::createSetup(const PolarMPForce& force) {
    auto next = make_unique<Setup>();
    int n = particles.size();
    next->source = wrap(force.requireSource());
    next->moments = next->source->getMomentSet();
    if (force.getPolarizationType() == PolarMPForce::NoPolarization)
        next->moments[SOFTNESS] = next->moments[POLARIZABILITY] = next->moments.conducts = false;
    next->latentScale = LatentScale(force, next->moments);
    next->arrays.initialize(cc, n);
    next->response.initialize(cc, n);
    next->charges.initialize(cc, n, force);
    map<string, string> defines = responseDefines(force, next->moments);
    if (periodic)
        next->solver = make_unique<DeviceMesh>(cc, force, next->arrays, next->response, next->charges, defines);
    else
        next->solver = make_unique<DevicePairSum>(cc, force.getSigma() * ANGSTROM_PER_NM, next->arrays, next->response, next->charges, defines);
    if (ChargeGroups groups(force, n); groups.size() > 0)
        next->constraint = make_unique<DeviceConstraint>(cc, move(groups), next->arrays, next->response, defines);
    if (isMutual(force, next->moments))
        next->mutual =
            make_unique<DeviceMutual>(cc, force, next->arrays, next->response, next->moments.conducts, next->constraint.get(), defines);
    createKernels(*next, defines);
    ComputeArray& sums = next->response.sums;
    next->sums = make_unique<AsyncDownload>(cc, sums, allocateHostMemory(sums.getSize() * sums.getElementSize()));
    SourceBuffers description;
    description.numParticles = n;
    description.periodic = periodic;
    description.doublePositions = (next->arrays.positions.getElementSize() == sizeof(double));
    description.doubleMoments = (next->arrays.moments[CHARGE].getElementSize() == sizeof(double));
    description.particles = particles;
    next->link = createLink(*next->source, description, next->arrays);
    // No exception has been thrown: from here on the new one is used.
    swap(setup, next);
    for (Vec3& vector : box)  // the new solver has not seen it
        vector = Vec3();
    complete = false;
}

map<string, string> CommonCalcPolarMPForceKernel::responseDefines(const PolarMPForce& force, const MomentSet& moments) {
    double sigma = force.getSigma() * ANGSTROM_PER_NM;
    double own = periodic ? COULOMB * sqrt(2 / M_PI) / sigma : 0;  // sums over pairs leave the own atom out
    map<string, string> defines = commonDefines(cc, particles.size());
    defines["REDUCTION_SIZE"] = cc.intToString(REDUCTION_SIZE);
    defines["EPS_INF"] = cc.doubleToString(force.getEpsInf());
    defines["OWN_CHARGE"] = cc.doubleToString(own);
    defines["OWN_DIPOLE"] = cc.doubleToString(own / (3 * pow(sigma, 2)));
    defines["OWN_QUADRUPOLE"] = cc.doubleToString(own / (5 * pow(sigma, 4)));
    if (periodic)
        defines["PERIODIC"] = "1";
    if (LatentScale(force, moments).isOneStep())
        defines["ONE_STEP"] = "1";
    if (moments[SOFTNESS])
        defines["HAS_SOFTNESS"] = "1";
    if (moments[POLARIZABILITY])
        defines["HAS_POLARIZABILITY"] = "1";
    if (moments.induces())
        defines["INDUCES"] = "1";
    if (isMutual(force, moments))
        defines["MUTUAL"] = "1";
    // Where charge flows between atoms, induced moments feel each other, or there is a surface, all potentials are needed first.
    if (moments.conducts || isMutual(force, moments) || force.getBoundary() != PolarMPForce::Conducting)
        defines["INDUCES_LATER"] = "1";
    if (moments.flows)
        defines["FLOWS"] = "1";
    if (moments.conducts)
        defines["CONDUCTS"] = "1";
    if (!force.getEmbeddingParticles().empty())
        defines["EMBEDDED"] = "1";
    DeviceConstraint::addDefines(cc, ChargeGroups(force, particles.size()), defines);
    return defines;
}

void CommonCalcPolarMPForceKernel::createKernels(Setup& next, const map<string, string>& defines) {
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::response, defines);
    ResponseArrays& r = next.response;
    SourceArrays& a = next.arrays;
    ComputeArray &softness = a.moments[SOFTNESS], &polarizability = a.moments[POLARIZABILITY];
    ArrayInterface* later = nullptr;
    vector<ArrayInterface*> ofField = {&a.positions, &softness, &polarizability, &a.flows[FLOW_POLARIZABILITY], &r.sums};
    vector<ArrayInterface*> ofInduced = {&r.induced, &r.sums};
    DeviceConstraint* constraint = next.constraint.get();
    if (constraint != nullptr && constraint->hasGroups())
        for (auto* list : {&ofField, &ofInduced})
            list->push_back(&constraint->groupOf);
    next.sumForField = createKernel(program, "sumForField", ofField);
    next.sumInducedCharges = createKernel(program, "sumInducedCharges", ofInduced);
    vector<ArrayInterface*> arguments = {&a.positions, &r.permanent, &softness, &polarizability, &r.phi, &r.phiInduced};
    arguments.insert(arguments.end(), {&a.flows[FLOW_POTENTIAL], &r.electricField, &r.induced, &r.sums});
    arguments.insert(arguments.end(), 5, later);  // FieldArguments
    arguments.insert(arguments.end(), {&r.energies, &r.forces});
    for (ComputeArray& gradients : a.gradients)
        arguments.push_back(&gradients);
    if (next.charges.size > 0)
        arguments.push_back(&next.charges.potential);
    if (next.moments.flows)
        arguments.insert(arguments.end(), {&a.flows[LOCAL_CHARGE], &a.flows[FLOW_CHARGE], &a.flows[FLOW_ENERGY]});
    if (constraint != nullptr)
        arguments.insert(arguments.end(), {&constraint->groupOf, &constraint->levels, &constraint->shares});
    next.addFlows = createKernel(program, "addFlows", {&a.flows[FLOW_CHARGE], &r.induced});
    next.differentiate = createKernel(program, "differentiate", arguments);
}

unique_ptr<SourceLink> CommonCalcPolarMPForceKernel::createLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays) {
    if (auto* network = dynamic_cast<NetworkSource*>(&source))
        return make_unique<DeviceNetwork>(cc, *network, description, arrays, atoms.atomOf, hasWarps());
    return make_unique<HostLink>(source, description, arrays);
}

void CommonCalcPolarMPForceKernel::copyParametersToContext(ContextImpl&, const PolarMPForce& force) {
    ContextSelector selector(cc);
    createSetup(force);
}
