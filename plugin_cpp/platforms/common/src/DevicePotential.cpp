#include "DevicePotential.h"
#include "DeviceChargePairs.h"
#include "KernelSources.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/PairSeries.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

int PolarMPPlugin::elementSize(ComputeContext& cc, bool mixed) {
    return cc.getUseDoublePrecision() || (mixed && cc.getUseMixedPrecision()) ? sizeof(double) : sizeof(float);
}

map<string, string> PolarMPPlugin::commonDefines(ComputeContext& cc, int numParticles) {
    map<string, string> defines;
    defines["NUM_PARTICLES"] = cc.intToString(numParticles);
    defines["NUM_ATOMS"] = cc.intToString(cc.getNumAtoms());
    defines["PADDED_NUM_ATOMS"] = cc.intToString(cc.getPaddedNumAtoms());
    defines["COULOMB"] = cc.doubleToString(COULOMB);
    defines["FOUR_PI"] = cc.doubleToString(4 * M_PI);
    defines["ANGSTROM_PER_NM"] = cc.doubleToString(ANGSTROM_PER_NM);
    defines["FORCE_TO_OPENMM"] = cc.doubleToString(FORCE_TO_OPENMM);
    defines["ENERGY_TO_OPENMM"] = cc.doubleToString(EV_TO_KJ_PER_MOL, true);
    return defines;
}

void ResponseArrays::initialize(ComputeContext& cc, int n) {
    int real = elementSize(cc, false), mixed = elementSize(cc, true);
    permanent.initialize(cc, 10 * n, real, "polarmpPermanent");
    induced.initialize(cc, 10 * n, real, "polarmpInduced");
    phi.initialize(cc, 20 * n, real, "polarmpPhi");
    phiInduced.initialize(cc, 20 * n, real, "polarmpPhiInduced");
    electricField.initialize(cc, 3 * n, real, "polarmpField");
    forces.initialize(cc, 3 * n, real, "polarmpForces");
    energies.initialize(cc, n, mixed, "polarmpEnergies");
    sums.initialize(cc, 6, mixed, "polarmpSums");
    cc.clearBuffer(sums);
}

void ChargeArrays::initialize(ComputeContext& cc, int numParticles, const PolarMPForce& force) {
    vector<double> values = force.getEmbeddingCharges();
    size = values.size();
    arePoints = (force.getEmbeddingKernel() == PolarMPForce::Point);
    if (size == 0)
        return;
    for (double& value : values) {
        value *= force.getEmbeddingScale();
        total += value;
    }
    int real = elementSize(cc, false);
    charges.initialize(cc, size, real, "polarmpEmbeddingCharges");
    positions.initialize(cc, 3 * size, elementSize(cc, true), "polarmpEmbeddingPositions");
    forces.initialize(cc, 3 * size, real, "polarmpEmbeddingForces");
    potential.initialize(cc, 20 * numParticles, real, "polarmpEmbeddingPotential");
    charges.upload(values, true);
}

void PolarMPPlugin::addRadialDefines(ComputeContext& cc, double sigma, map<string, string>& defines) {
    double a = 1 / (sqrt(2.0) * sigma);
    defines["A_SQUARED"] = cc.doubleToString(a * a);
    defines["B_SCALE"] = cc.doubleToString(COULOMB * 2 * a / sqrt(M_PI));
    defines["SERIES_LIMIT"] = cc.doubleToString(PAIR_SERIES_LIMIT);
    defines["SERIES_END"] = cc.doubleToString(cc.getUseDoublePrecision() ? 1e-17 : 1e-9);
}

void PolarMPPlugin::setMixedArg(ComputeContext& cc, ComputeKernel& kernel, int index, double value) {
    if (cc.getUseDoublePrecision() || cc.getUseMixedPrecision())
        kernel->setArg(index, value);
    else
        kernel->setArg(index, (float) value);
}

void FieldArguments::setArgs(ComputeContext& cc, ComputeKernel& kernel, int first) const {
    for (int i = 0; i < 3; i++)
        setMixedArg(cc, kernel, first + i, field[i]);
    setMixedArg(cc, kernel, first + 3, inverseVolume);
    kernel->setArg(first + 4, (int) (field != Vec3()));
}

ComputeKernel PolarMPPlugin::createKernel(ComputeProgram& program, const char* name, const vector<ArrayInterface*>& arguments) {
    ComputeKernel kernel = program->createKernel(name);
    for (ArrayInterface* argument : arguments)
        if (argument == nullptr)
            kernel->addArg();
        else
            kernel->addArg(*argument);
    return kernel;
}

DevicePairSum::DevicePairSum(ComputeContext& cc, double sigma, SourceArrays& source, ResponseArrays& response, ChargeArrays& charges,
                             map<string, string> defines)
        : DevicePotential(cc, source, response, charges) {
    if (charges.size > 0)
        chargePairs = make_unique<DeviceChargePairs>(cc, sigma, source, response, charges, defines);
    addRadialDefines(cc, sigma, defines);
    ComputeProgram program =
        cc.compileProgram(KernelSources::tensors + KernelSources::response + KernelSources::radial + KernelSources::pairs, defines);
    ResponseArrays& r = response;
    ComputeArray* m = source.moments;
    readKernel = createKernel(program, "readMoments", {&m[CHARGE], &m[DIPOLE], &m[QUADRUPOLE], &r.permanent});
    permanentKernel = createKernel(program, "sumPairs", {&source.positions, &r.permanent, &r.phi});
    inducedKernel = createKernel(program, "sumPairs", {&source.positions, &r.induced, &r.phiInduced});
    induceKernel = createKernel(program, "induce",
                                {&source.positions, &r.permanent, &m[SOFTNESS], &m[POLARIZABILITY], &r.sums, nullptr, nullptr, nullptr, nullptr,
                                 nullptr, &r.phi, &source.flows[FLOW_POTENTIAL], &r.electricField, &r.induced});
    if (charges.size > 0)
        addChargesKernel = createKernel(program, "addCharges", {&charges.potential, &r.phi});
    pointsKernel = createKernel(program, "sumPotential", {nullptr, nullptr, &source.positions, nullptr, nullptr});
}

DevicePairSum::~DevicePairSum() = default;

void DevicePairSum::potentialOfCharges() {
    chargePairs->potentialOfCharges();
}

void DevicePairSum::forcesOnCharges() {
    chargePairs->forcesOnCharges();
}

void DevicePairSum::induce(const FieldArguments& field) {
    readKernel->execute(numParticles);
    permanentKernel->execute(numParticles);
    if (charges.size > 0)
        addChargesKernel->execute(20 * numParticles);
    field.setArgs(cc, induceKernel, 5);
    induceKernel->execute(numParticles);
}

void DevicePairSum::potentialOfInduced() {
    inducedKernel->execute(numParticles);
}

void DevicePairSum::potentialAtPoints(ComputeArray& points, ComputeArray& sources, ComputeArray& potential) {
    int numPoints = potential.getSize();
    pointsKernel->setArg(0, numPoints);
    pointsKernel->setArg(1, points);
    pointsKernel->setArg(3, sources);
    pointsKernel->setArg(4, potential);
    pointsKernel->execute(numPoints);
}
