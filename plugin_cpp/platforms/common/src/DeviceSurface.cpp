#include "DeviceSurface.h"
#include "KernelSources.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/Surface.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

DeviceSurface::DeviceSurface(ComputeContext& cc, const PolarMPForce& force, ComputeArray& positions, ChargeArrays& charges,
                             map<string, string> defines)
        : cc(cc), charges(charges), isVacuum(force.getBoundary() == PolarMPForce::Vacuum), sigma(force.getSigma() * ANGSTROM_PER_NM),
          numParticles(positions.getSize() / 3), groups(force, numParticles) {
    sums.initialize(cc, 5, elementSize(cc, true), "polarmpSurfaceSums");
    sumsOfCharges.initialize(cc, 5, elementSize(cc, true), "polarmpSurfaceSumsOfCharges");
    if (!isVacuum)
        defines["SLAB"] = "1";
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::response + KernelSources::surface, defines);
    ArrayInterface* later = nullptr;
    sumSources = createKernel(program, "sumSources", {later, later, later, &positions, &sums});
    addAtAtoms = createKernel(program, "addAtAtoms", {&positions, later, later, later, later});
    pointsKernel = createKernel(program, "addAtPoints", {later, later, &sums, later, later, later});
    if (charges.size == 0)
        return;
    sumCharges = createKernel(program, "sumCharges", {later, &charges.charges, &charges.positions, &sumsOfCharges});
    sumCharges->setArg(0, charges.size);
    forcesKernel =
        createKernel(program, "addForcesOnCharges", {later, &charges.positions, &charges.charges, &sums, later, later, &charges.forces});
    forcesKernel->setArg(0, charges.size);
}

void DeviceSurface::setBox(const Vec3 box[3]) {
    inverseVolume = 1 / fabs(box[0].dot(box[1].cross(box[2])));
    rest = box[2][2] * box[2][2] / 6 + sigma * sigma;
}

void DeviceSurface::setBoxArgs(ComputeKernel& kernel, int first) {
    setMixedArg(cc, kernel, first, inverseVolume);
    setMixedArg(cc, kernel, first + 1, rest);
}

void DeviceSurface::sum(ComputeArray& sources, ComputeArray* others) {
    sumSources->setArg(0, (int) (others != nullptr));
    sumSources->setArg(1, sources);
    sumSources->setArg(2, others == nullptr ? sources : *others);
    sumSources->execute(REDUCTION_SIZE, REDUCTION_SIZE);
}

void DeviceSurface::add(ComputeArray& sources, ComputeArray* others, ComputeArray& potential) {
    sum(sources, others);
    addAtAtoms->setArg(1, sums);
    setBoxArgs(addAtAtoms, 2);
    addAtAtoms->setArg(4, potential);
    addAtAtoms->execute(numParticles);
}

void DeviceSurface::addOfCharges() {
    sumCharges->execute(REDUCTION_SIZE, REDUCTION_SIZE);
    addAtAtoms->setArg(1, sumsOfCharges);
    setBoxArgs(addAtAtoms, 2);
    addAtAtoms->setArg(4, charges.potential);
    addAtAtoms->execute(numParticles);
}

void DeviceSurface::addForcesOnCharges() {
    setBoxArgs(forcesKernel, 4);
    forcesKernel->execute(charges.size);
}

void DeviceSurface::addAtPoints(ComputeArray& sources, ComputeArray& points, ComputeArray& potential) {
    sum(sources, nullptr);
    const int numPoints = potential.getSize();
    pointsKernel->setArg(0, numPoints);
    pointsKernel->setArg(1, points);
    setBoxArgs(pointsKernel, 3);
    pointsKernel->setArg(5, potential);
    pointsKernel->execute(numPoints);
}

void DeviceSurface::checkCharge(ComputeArray& permanent) {
    if (!isVacuum)
        return;
    vector<double> moments;
    permanent.download(moments, true);
    vector<double> ofAtoms(numParticles);
    for (int i = 0; i < numParticles; i++)
        ofAtoms[i] = moments[10 * i];
    checkNeutralBox(charges.total + groups.totalCharge(ofAtoms));
}
