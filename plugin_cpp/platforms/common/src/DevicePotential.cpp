#include "DevicePotential.h"
#include "KernelSources.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
// Values on the mesh are sums over the atoms within a window, far below 2^23 in magnitude; the rest is resolution.
const double FIXED_POINT_SCALE = 1099511627776.0;  // 2^40

int elementSize(ComputeContext& cc, bool mixed) {
    return cc.getUseDoublePrecision() || (mixed && cc.getUseMixedPrecision()) ? sizeof(double) : sizeof(float);
}
} // namespace

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

DevicePairSum::DevicePairSum(ComputeContext& cc, double sigma, ComputeArray& positions)
        : numParticles(positions.getSize() / 3), positions(positions) {
    double a = 1 / (sqrt(2.0) * sigma);
    map<string, string> defines = commonDefines(cc, numParticles);
    defines["A_SQUARED"] = cc.doubleToString(a * a);
    defines["TWO_A_SQUARED"] = cc.doubleToString(2 * a * a);
    defines["B_SCALE"] = cc.doubleToString(COULOMB * 2 * a / sqrt(M_PI));
    defines["SERIES_END"] = cc.doubleToString(cc.getUseDoublePrecision() ? 1e-17 : 1e-9);
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::pairs, defines);
    atomsKernel = program->createKernel("sumPairs");
    for (int i = 0; i < 3; i++)
        atomsKernel->addArg();
    pointsKernel = program->createKernel("sumPotential");
    for (int i = 0; i < 5; i++)
        pointsKernel->addArg();
}

void DevicePairSum::potentialAtAtoms(ComputeArray& sources, ComputeArray& phi) {
    atomsKernel->setArg(0, positions);
    atomsKernel->setArg(1, sources);
    atomsKernel->setArg(2, phi);
    atomsKernel->execute(numParticles);
}

void DevicePairSum::potentialAtPoints(ComputeArray& points, ComputeArray& sources, ComputeArray& potential) {
    int numPoints = potential.getSize();
    pointsKernel->setArg(0, numPoints);
    pointsKernel->setArg(1, points);
    pointsKernel->setArg(2, positions);
    pointsKernel->setArg(3, sources);
    pointsKernel->setArg(4, potential);
    pointsKernel->execute(numPoints);
}

DeviceMesh::DeviceMesh(ComputeContext& cc, const PolarMPForce& force, ComputeArray& positions)
        : cc(cc), positions(positions), numParticles(positions.getSize() / 3), sigma(force.getSigma() * ANGSTROM_PER_NM),
          kMax(force.getKMax() / ANGSTROM_PER_NM), rule(chooseMeshRule(force.getEwaldErrorTolerance())),
          window(rule.width, rule.m, rule.beta, rule.degree) {
    force.getPMEParameters(size[0], size[1], size[2]);
    sizeIsFixed = (size[0] > 0);
    if (sizeIsFixed)
        checkMeshSize(size, rule);
    int real = elementSize(cc, false), mixed = elementSize(cc, true), w = rule.width;
    coefficients.initialize(cc, w * (rule.degree + 1), real, "polarmpWindow");
    toGrid.initialize(cc, 9, mixed, "polarmpToGrid");
    start.initialize<int>(cc, 3 * numParticles, "polarmpStart");
    weights.initialize(cc, 12 * w * numParticles, real, "polarmpWeights");
    vector<double> byPower;
    for (int n = 0; n <= rule.degree; n++)
        for (int p = 0; p < w; p++)
            byPower.push_back(window.getCoefficients()[p * (rule.degree + 1) + n]);
    coefficients.upload(byPower, true);
    if (sizeIsFixed)
        allocateMesh();
}

void DeviceMesh::allocateMesh() {
    mesh = make_unique<Mesh>();
    int real = elementSize(cc, false);
    int points = size[0] * size[1] * size[2], half = size[0] * size[1] * (size[2] / 2 + 1);
    mesh->fixedPoint.initialize<long long>(cc, points, "polarmpFixedPointMesh");
    mesh->values.initialize(cc, points, real, "polarmpMesh");
    mesh->spectrum.initialize(cc, half, 2 * real, "polarmpSpectrum");
    mesh->influence.initialize(cc, half, real, "polarmpInfluence");
    mesh->fft = cc.createFFT(size[0], size[1], size[2], true);
    map<string, string> defines = commonDefines(cc, numParticles);
    defines["MESH_X"] = cc.intToString(size[0]);
    defines["MESH_Y"] = cc.intToString(size[1]);
    defines["MESH_Z"] = cc.intToString(size[2]);
    defines["WIDTH"] = cc.intToString(rule.width);
    defines["DEGREE"] = cc.intToString(rule.degree);
    defines["FIXED_POINT_SCALE"] = cc.doubleToString(FIXED_POINT_SCALE);
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::mesh, defines);
    auto create = [&](const char* name, int numArgs) {
        ComputeKernel kernel = program->createKernel(name);
        for (int i = 0; i < numArgs; i++)
            kernel->addArg();
        return kernel;
    };
    mesh->place = create("placeOnMesh", 6);
    mesh->spread = create("spread", 5);
    mesh->toReal = create("meshToReal", 2);
    mesh->convolve = create("convolve", 2);
    mesh->gather = create("gather", 5);
    mesh->gatherPotential = create("gatherPotential", 5);
}

void DeviceMesh::setBox(const Vec3 box[3]) {
    if (!sizeIsFixed && (mesh == nullptr || !meshIsFineEnough(box, sigma, kMax, rule, size))) {
        chooseMeshSize(box, sigma, kMax, rule, size);
        allocateMesh();
    }
    toGrid.upload(gridTransform(box, size), true);
    mesh->influence.upload(influenceFunction(box, size, sigma, kMax, window), true);
}

void DeviceMesh::placeOnMesh(ComputeArray& points, ComputeArray& start, ComputeArray& weights) {
    int numPoints = points.getSize() / 3;
    mesh->place->setArg(0, numPoints);
    mesh->place->setArg(1, points);
    mesh->place->setArg(2, toGrid);
    mesh->place->setArg(3, coefficients);
    mesh->place->setArg(4, start);
    mesh->place->setArg(5, weights);
    mesh->place->execute(3 * numPoints);
}

void DeviceMesh::setPositions() {
    placeOnMesh(positions, start, weights);
}

void DeviceMesh::sumPotential(ComputeArray& sources) {
    cc.clearBuffer(mesh->fixedPoint);
    mesh->spread->setArg(0, sources);
    mesh->spread->setArg(1, toGrid);
    mesh->spread->setArg(2, start);
    mesh->spread->setArg(3, weights);
    mesh->spread->setArg(4, mesh->fixedPoint);
    mesh->spread->execute(numParticles * rule.width);
    mesh->toReal->setArg(0, mesh->fixedPoint);
    mesh->toReal->setArg(1, mesh->values);
    mesh->toReal->execute(mesh->values.getSize());
    mesh->fft->execFFT(mesh->values, mesh->spectrum, true);
    mesh->convolve->setArg(0, mesh->spectrum);
    mesh->convolve->setArg(1, mesh->influence);
    mesh->convolve->execute(mesh->influence.getSize());
    mesh->fft->execFFT(mesh->spectrum, mesh->values, false);
}

void DeviceMesh::potentialAtAtoms(ComputeArray& sources, ComputeArray& phi) {
    sumPotential(sources);
    mesh->gather->setArg(0, mesh->values);
    mesh->gather->setArg(1, toGrid);
    mesh->gather->setArg(2, start);
    mesh->gather->setArg(3, weights);
    mesh->gather->setArg(4, phi);
    mesh->gather->execute(numParticles);
}

void DeviceMesh::potentialAtPoints(ComputeArray& points, ComputeArray& sources, ComputeArray& potential) {
    int numPoints = potential.getSize();
    ComputeArray pointStart, pointWeights;
    pointStart.initialize<int>(cc, 3 * numPoints, "polarmpPointStart");
    pointWeights.initialize(cc, 12 * rule.width * numPoints, elementSize(cc, false), "polarmpPointWeights");
    sumPotential(sources);
    placeOnMesh(points, pointStart, pointWeights);
    mesh->gatherPotential->setArg(0, numPoints);
    mesh->gatherPotential->setArg(1, mesh->values);
    mesh->gatherPotential->setArg(2, pointStart);
    mesh->gatherPotential->setArg(3, pointWeights);
    mesh->gatherPotential->setArg(4, potential);
    mesh->gatherPotential->execute(numPoints);
    cc.flushQueue();
}

void DeviceMesh::getMeshSize(int result[3]) const {
    copy(size, size + 3, result);
}
