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

void ResponseArrays::initialize(ComputeContext& cc, int n) {
    int real = elementSize(cc, false), mixed = elementSize(cc, true);
    permanent.initialize(cc, 10 * n, real, "polarmpPermanent");
    induced.initialize(cc, 10 * n, real, "polarmpInduced");
    phi.initialize(cc, 20 * n, real, "polarmpPhi");
    phiInduced.initialize(cc, 20 * n, real, "polarmpPhiInduced");
    potential.initialize(cc, n, real, "polarmpPotential");
    electricField.initialize(cc, 3 * n, real, "polarmpField");
    forces.initialize(cc, 3 * n, real, "polarmpForces");
    energies.initialize(cc, n, mixed, "polarmpEnergies");
    sums.initialize(cc, 6, mixed, "polarmpSums");
    cc.clearBuffer(sums);
}

void FieldArguments::setArgs(ComputeContext& cc, ComputeKernel& kernel, int first) const {
    double values[4] = {field[0], field[1], field[2], inverseVolume};
    for (int i = 0; i < 4; i++)
        if (cc.getUseDoublePrecision() || cc.getUseMixedPrecision())
            kernel->setArg(first + i, values[i]);
        else
            kernel->setArg(first + i, (float) values[i]);
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

DevicePairSum::DevicePairSum(ComputeContext& cc, double sigma, SourceArrays& source, ResponseArrays& response, map<string, string> defines)
        : DevicePotential(cc, source, response) {
    double a = 1 / (sqrt(2.0) * sigma);
    defines["A_SQUARED"] = cc.doubleToString(a * a);
    defines["TWO_A_SQUARED"] = cc.doubleToString(2 * a * a);
    defines["B_SCALE"] = cc.doubleToString(COULOMB * 2 * a / sqrt(M_PI));
    defines["SERIES_END"] = cc.doubleToString(cc.getUseDoublePrecision() ? 1e-17 : 1e-9);
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::response + KernelSources::pairs, defines);
    ResponseArrays& r = response;
    readKernel = createKernel(program, "readMoments", {&source.charges, &source.dipoles, &source.quadrupoles, &r.permanent});
    permanentKernel = createKernel(program, "sumPairs", {&source.positions, &r.permanent, &r.phi});
    inducedKernel = createKernel(program, "sumPairs", {&source.positions, &r.induced, &r.phiInduced});
    induceKernel = createKernel(program, "induce", {&source.positions, &r.permanent, &source.softness, &source.polarizability, &r.sums, nullptr,
                                                    nullptr, nullptr, nullptr, nullptr, &r.phi, &r.potential, &r.electricField, &r.induced});
    pointsKernel = createKernel(program, "sumPotential", {nullptr, nullptr, &source.positions, nullptr, nullptr});
}

void DevicePairSum::induce(const FieldArguments& field) {
    readKernel->execute(numParticles);
    permanentKernel->execute(numParticles);
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

DeviceMesh::DeviceMesh(ComputeContext& cc, const PolarMPForce& force, SourceArrays& source, ResponseArrays& response,
                       const map<string, string>& defines)
        : DevicePotential(cc, source, response), sigma(force.getSigma() * ANGSTROM_PER_NM), kMax(force.getKMax() / ANGSTROM_PER_NM),
          rule(chooseMeshRule(force.getEwaldErrorTolerance())), window(rule.width, rule.m, rule.beta, rule.degree), defines(defines),
          groupAtoms(max(1, 64 / rule.width)) {
    force.getPMEParameters(size[0], size[1], size[2]);
    sizeIsFixed = (size[0] > 0);
    if (sizeIsFixed)
        checkMeshSize(size, rule);
    int real = elementSize(cc, false), mixed = elementSize(cc, true), w = rule.width;
    coefficients.initialize(cc, w * (rule.degree + 1), real, "polarmpWindow");
    toGrid.initialize(cc, 9, mixed, "polarmpToGrid");
    start.initialize<int>(cc, 3 * numParticles, "polarmpStart");
    weights.initialize(cc, 12 * w * numParticles, real, "polarmpWeights");
    order.initialize<int>(cc, numParticles, "polarmpOrder");
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
    cc.clearBuffer(mesh->fixedPoint);
    map<string, string> all = defines;
    all["MESH_X"] = cc.intToString(size[0]);
    all["MESH_Y"] = cc.intToString(size[1]);
    all["MESH_Z"] = cc.intToString(size[2]);
    all["WIDTH"] = cc.intToString(rule.width);
    all["DEGREE"] = cc.intToString(rule.degree);
    all["GROUP_ATOMS"] = cc.intToString(groupAtoms);
    all["FIXED_POINT_SCALE"] = cc.doubleToString(FIXED_POINT_SCALE);
    ComputeProgram program = cc.compileProgram(KernelSources::tensors + KernelSources::response + KernelSources::mesh, all);
    Mesh& m = *mesh;
    SourceArrays& s = source;
    ResponseArrays& r = response;
    ArrayInterface* later = nullptr;
    m.place = createKernel(program, "placeOnMesh", {later, later, &toGrid, &coefficients, later, later});
    m.spreadPermanent = createKernel(program, "spreadPermanent", {&s.charges, &s.dipoles, &s.quadrupoles, &order, &toGrid, &start, &weights,
                                                                  &r.permanent, &m.fixedPoint});
    m.spreadSources = createKernel(program, "spreadSources", {later, &order, &toGrid, &start, &weights, &m.fixedPoint});
    m.toReal = createKernel(program, "meshToReal", {&m.fixedPoint, &m.values});
    m.convolve = createKernel(program, "convolve", {&m.spectrum, &m.influence});
    m.gatherAndInduce = createKernel(program, "gatherAndInduce", {&m.values, &order, &toGrid, &start, &weights, &s.positions, &r.permanent,
                                                                  &s.softness, &s.polarizability, &r.sums, later, later, later, later, later,
                                                                  &r.phi, &r.potential, &r.electricField, &r.induced, &m.fixedPoint});
    m.gather = createKernel(program, "gather", {&m.values, &order, &toGrid, &start, &weights, &r.phiInduced});
    m.gatherPotential = createKernel(program, "gatherPotential", {later, &m.values, later, later, later});
}

void DeviceMesh::setBox(const Vec3 box[3]) {
    if (!sizeIsFixed && (mesh == nullptr || !meshIsFineEnough(box, sigma, kMax, rule, size))) {
        chooseMeshSize(box, sigma, kMax, rule, size);
        allocateMesh();
    }
    toGrid.upload(gridTransform(box, size), true);
    mesh->influence.upload(influenceFunction(box, size, sigma, kMax, window), true);
}

void DeviceMesh::setOrder(const vector<int>& newOrder) {
    order.upload(newOrder);
}

void DeviceMesh::placeOnMesh(ComputeArray& points, ComputeArray& start, ComputeArray& weights) {
    int numPoints = points.getSize() / 3;
    mesh->place->setArg(0, numPoints);
    mesh->place->setArg(1, points);
    mesh->place->setArg(4, start);
    mesh->place->setArg(5, weights);
    mesh->place->execute(3 * numPoints);
}

void DeviceMesh::setPositions() {
    placeOnMesh(source.positions, start, weights);
}

void DeviceMesh::solve() {
    mesh->toReal->execute(mesh->values.getSize());
    mesh->fft->execFFT(mesh->values, mesh->spectrum, true);
    mesh->convolve->execute(mesh->influence.getSize());
    mesh->fft->execFFT(mesh->spectrum, mesh->values, false);
}

void DeviceMesh::induce(const FieldArguments& field) {
    mesh->spreadPermanent->execute(numParticles * rule.width);
    solve();
    field.setArgs(cc, mesh->gatherAndInduce, 10);
    mesh->gatherAndInduce->execute(numParticles * rule.width, groupAtoms * rule.width);
}

void DeviceMesh::potentialOfInduced() {
    solve();  // induce() has spread them already
    mesh->gather->execute(numParticles * rule.width, groupAtoms * rule.width);
}

void DeviceMesh::potentialAtPoints(ComputeArray& points, ComputeArray& sources, ComputeArray& potential) {
    int numPoints = potential.getSize();
    ComputeArray pointStart, pointWeights;
    pointStart.initialize<int>(cc, 3 * numPoints, "polarmpPointStart");
    pointWeights.initialize(cc, 12 * rule.width * numPoints, elementSize(cc, false), "polarmpPointWeights");
    mesh->spreadSources->setArg(0, sources);
    mesh->spreadSources->execute(numParticles * rule.width);
    solve();
    placeOnMesh(points, pointStart, pointWeights);
    mesh->gatherPotential->setArg(0, numPoints);
    mesh->gatherPotential->setArg(2, pointStart);
    mesh->gatherPotential->setArg(3, pointWeights);
    mesh->gatherPotential->setArg(4, potential);
    mesh->gatherPotential->execute(numPoints);
    cc.flushQueue();
}

void DeviceMesh::getMeshSize(int result[3]) const {
    copy(size, size + 3, result);
}
