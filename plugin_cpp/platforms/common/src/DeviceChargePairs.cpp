#include "DeviceChargePairs.h"
#include "KernelSources.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/PointChargeRange.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
const int PARTS = 64;  // threads that share the charges around an atom
}

DeviceChargePairs::DeviceChargePairs(ComputeContext& cc, double sigma, SourceArrays& source, ResponseArrays& response, ChargeArrays& charges,
                                     map<string, string> defines)
        : cc(cc), sigma(sigma), charges(charges), numParticles(source.moments[CHARGE].getSize()) {
    parts.initialize(cc, PARTS * 20 * numParticles, elementSize(cc, false), "polarmpChargeParts");
    box.initialize(cc, 21, elementSize(cc, true), "polarmpChargeBox");
    box.upload(vector<double>(21, 0.0), true);
    map<string, string> ofCharges;
    addRadialDefines(cc, charges.arePoints ? sigma * sqrt(0.5) : sigma, ofCharges);
    addRadialDefines(cc, sigma, defines);
    defines["CHARGE_A_SQUARED"] = ofCharges["A_SQUARED"];
    defines["CHARGE_B_SCALE"] = ofCharges["B_SCALE"];
    defines["PARTS"] = cc.intToString(PARTS);
    defines["RANGE"] = cc.doubleToString(POINT_CHARGE_RANGE * sigma);
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::radial + KernelSources::chargePairs, defines);
    sumKernel = createKernel(program, "sumCharges", {nullptr, &source.positions, &charges.positions, &charges.charges, &box, &parts});
    addKernel = createKernel(program, "addParts", {&parts, nullptr, &charges.potential});
    forcesKernel = createKernel(
        program, "sumForcesOnCharges",
        {nullptr, &source.positions, &charges.positions, &charges.charges, &box, &response.permanent, &response.induced, &charges.forces});
    sumKernel->setArg(0, charges.size);
    forcesKernel->setArg(0, charges.size);
    setMixedArg(cc, addKernel, 1, 0);
}

void DeviceChargePairs::setBox(const Vec3 vectors[3]) {
    double volume = vectors[0].dot(vectors[1].cross(vectors[2]));
    vector<double> values(21);
    for (int d = 0; d < 3; d++) {
        Vec3 reciprocal = vectors[(d + 1) % 3].cross(vectors[(d + 2) % 3]) / volume;
        for (int a = 0; a < 3; a++) {
            values[3 * d + a] = vectors[d][a];
            values[9 + 3 * a + d] = reciprocal[a];
        }
        values[18 + d] = POINT_CHARGE_RANGE * sigma * sqrt(reciprocal.dot(reciprocal));
    }
    box.upload(values, true);
    setMixedArg(cc, addKernel, 1, M_PI * COULOMB * sigma * sigma / fabs(volume) * charges.total);
}

void DeviceChargePairs::potentialOfCharges() {
    sumKernel->execute(PARTS * numParticles);
    addKernel->execute(20 * numParticles);
}

void DeviceChargePairs::forcesOnCharges() {
    forcesKernel->execute(charges.size);
}
