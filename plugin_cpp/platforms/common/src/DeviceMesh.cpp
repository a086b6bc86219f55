#include "DeviceMesh.h"
#include "KernelSources.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/MeshMemory.h"
#include <algorithm>
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
// Values on the mesh are sums over the atoms within a window, far below 2^23 in magnitude: this leaves 40 bits below the point.
const double FIXED_POINT_SCALE = 1099511627776.0;  // 2^40

const int TEAM = 32;            // threads for each atom (kernels/mesh.cc)
const int LARGEST_BLOCK = 256;  // fills a GPU although OpenMM launches at most six blocks per multiprocessor

// The order of the atoms affects caches only, not results, and atoms hardly move in so many steps.
const int STEPS_BETWEEN_SORTS = 50;
const double CELL_WIDTH = 6;  // A, somewhat wider than an atom's window
} // namespace

DeviceMesh::DeviceMesh(ComputeContext& cc, const PolarMPForce& force, SourceArrays& source, ResponseArrays& response, ChargeArrays& charges,
                       map<string, string> defines)
        : DevicePotential(cc, source, response, charges), sigma(force.getSigma() * ANGSTROM_PER_NM), kMax(force.getKMax() / ANGSTROM_PER_NM),
          rule(chooseMeshRule(force.getEwaldErrorTolerance())), window(rule.width, rule.m, rule.beta, rule.degree),
          blockSize(min(LARGEST_BLOCK, cc.getMaxThreadBlockSize())), groupAtoms(blockSize / TEAM),
          residentThreads(cc.getUseDoublePrecision() ? 512 : 1024), inducesLater(defines.count("INDUCES_LATER") > 0), cells(cc, numParticles, CELL_WIDTH, true, source.positions) {
    if (charges.size > 0)
        chargeCells = make_unique<CellList>(cc, charges.size, CELL_WIDTH, true, charges.positions);
    if (charges.size > 0 && charges.arePoints)
        chargePairs = make_unique<DeviceChargePairs>(cc, sigma, source, response, charges, defines);
    if (force.getBoundary() != PolarMPForce::Conducting)
        surface = make_unique<DeviceSurface>(cc, force, source.positions, charges, defines);
    force.getPMEParameters(size[0], size[1], size[2]);
    sizeIsFixed = (size[0] > 0);
    if (sizeIsFixed)
        checkMeshSize(size, rule);
    int real = elementSize(cc, false);
    coefficients.initialize(cc, rule.width * (rule.degree + 1), real, "polarmpWindow");
    toFractional.initialize(cc, 9, elementSize(cc, true), "polarmpToFractional");
    derivativeTransform.initialize(cc, 200, real, "polarmpDerivativeTransform");
    vector<double> byPower;
    for (int n = 0; n <= rule.degree; n++)
        for (int p = 0; p < rule.width; p++)
            byPower.push_back(window.getCoefficients()[p * (rule.degree + 1) + n]);
    coefficients.upload(byPower, true);
    defines["WIDTH"] = cc.intToString(rule.width);
    defines["DEGREE"] = cc.intToString(rule.degree);
    defines["TEAM"] = cc.intToString(TEAM);
    defines["GROUP_ATOMS"] = cc.intToString(groupAtoms);
    defines["FIXED_POINT_SCALE"] = cc.doubleToString(FIXED_POINT_SCALE);
    defines["RESIDENT_THREADS"] = cc.intToString(residentThreads);
    program = cc.compileProgram(KernelSources::tensors + KernelSources::response + KernelSources::influence + KernelSources::mesh
                                    + KernelSources::spread + KernelSources::gather + (charges.size > 0 ? KernelSources::charges : ""),
                                defines);
    if (sizeIsFixed)
        allocateMesh();
}

void DeviceMesh::allocateMesh() {
    mesh = make_unique<Mesh>();
    int real = elementSize(cc, false);
    int points = size[0] * size[1] * size[2], half = size[0] * size[1] * (size[2] / 2 + 1);
    mesh->values.initialize(cc, points, real, "polarmpMesh");
    mesh->spectrum.initialize(cc, half, 2 * real, "polarmpSpectrum");
    mesh->influence.initialize(cc, half, real, "polarmpInfluence");
    mesh->fft = cc.createFFT(size[0], size[1], size[2], true);
    mesh->fixedPoint.initialize<long long>(cc, points, "polarmpFixedPointMesh");
    cc.clearBuffer(mesh->fixedPoint);
    vector<double> deconvolution;
    for (int n : size)
        for (double value : window.inverseTransform(n))
            deconvolution.push_back(value);
    mesh->deconvolution.initialize(cc, deconvolution.size(), real, "polarmpDeconvolution");
    mesh->deconvolution.upload(deconvolution, true);
    createKernels();
}

void DeviceMesh::createKernels() {
    Mesh& m = *mesh;
    ResponseArrays& r = response;
    ComputeArray *moments = source.moments, &positions = source.positions, &transform = derivativeTransform, &atoms = cells.particles;
    ArrayInterface* later = nullptr;
    auto create = [&](const char* name, vector<ArrayInterface*> arguments) {
        arguments.insert(arguments.begin(), 3, later);
        ComputeKernel kernel = createKernel(program, name, arguments);
        for (int i = 0; i < 3; i++)
            kernel->setArg(i, size[i]);
        return kernel;
    };
    m.setBox = create("setBox", {later, later, later, later, later, later, later, later, later, &toFractional, &transform});
    m.setInfluence = create("setInfluence", {&toFractional, &m.deconvolution, later, later, later, &m.influence});
    m.spreadPermanent = create("spreadPermanent", {&moments[CHARGE], &moments[DIPOLE], &moments[QUADRUPOLE], &atoms, &positions, &toFractional,
                                                   &transform, &coefficients, &r.permanent, &m.fixedPoint});
    m.spreadSources = create("spreadSources", {later, &atoms, &positions, &toFractional, &transform, &coefficients, &m.fixedPoint});
    m.toReal = createKernel(program, "meshToReal", {later, &m.fixedPoint, &m.values});
    m.toReal->setArg(0, (int) m.values.getSize());
    m.convolve = createKernel(program, "convolve", {later, &m.influence, &m.spectrum});
    m.convolve->setArg(0, (int) m.influence.getSize());
    vector<ArrayInterface*> arguments = {&m.values, &atoms, &positions, &toFractional, &transform, &coefficients, &r.permanent};
    arguments.insert(arguments.end(), {&moments[SOFTNESS], &moments[POLARIZABILITY], &r.sums});
    arguments.insert(arguments.end(), 5, later);  // FieldArguments
    arguments.insert(arguments.end(), {&r.phi, &source.flows[FLOW_POTENTIAL], &r.electricField, &r.induced, &m.fixedPoint});
    m.gatherAndInduce = create("gatherAndInduce", arguments);
    if (surface) {
        m.gatherPermanent = create("gather", {&m.values, &atoms, &positions, &toFractional, &transform, &coefficients, &r.phi});
        m.induce = createKernel(program, "induce",
                                {&positions, &r.permanent, &moments[SOFTNESS], &moments[POLARIZABILITY], &r.sums, later, later, later, later,
                                 later, &r.phi, &source.flows[FLOW_POTENTIAL], &r.electricField, &r.induced});
        if (charges.size > 0)
            m.addCharges = createKernel(program, "addCharges", {&charges.potential, &r.phi});
    }
    m.gather = create("gather", {&m.values, &atoms, &positions, &toFractional, &transform, &coefficients, &r.phiInduced});
    if (charges.size > 0) {
        ChargeArrays& c = charges;
        m.gatherAndInduce->addArg(c.potential);
        m.spreadCharges =
            create("spreadCharges", {later, &c.charges, &chargeCells->particles, &c.positions, &toFractional, &coefficients, &m.fixedPoint});
        m.gatherCharges = create("gather", {&m.values, &atoms, &positions, &toFractional, &transform, &coefficients, &c.potential});
        m.removePermanent = createKernel(program, "removePermanent", {&r.phi, &c.potential, &r.phiInduced});
        m.gatherForces = create("gatherForcesOnCharges", {later, &c.charges, &chargeCells->particles, &c.positions, &toFractional, &transform,
                                                          &coefficients, &m.values, &c.forces});
        m.spreadCharges->setArg(3, c.size);
        m.gatherForces->setArg(3, c.size);
    }
    m.gatherPotential = create("gatherPotential", {later, &m.values, later, &toFractional, &coefficients, later});
}

void DeviceMesh::setBox(const Vec3 box[3]) {
    if (!sizeIsFixed && (mesh == nullptr || !meshIsFineEnough(box, sigma, kMax, rule, size))) {
        int next[3];
        chooseMeshSize(box, sigma, kMax, rule, next);
        checkMeshMemory(box, next, 0);
        copy(next, next + 3, size);
        allocateMesh();
    }
    const int one[3] = {1, 1, 1};
    vector<double> fractional = gridTransform(box, one);
    for (int i = 0; i < 9; i++)
        setMixedArg(cc, mesh->setBox, 3 + i, fractional[i]);
    mesh->setBox->execute(200);
    double volume = fabs(box[0].dot(box[1].cross(box[2])));
    setMixedArg(cc, mesh->setInfluence, 5, 4 * M_PI * COULOMB / volume);
    setMixedArg(cc, mesh->setInfluence, 6, 0.5 * sigma * sigma);
    setMixedArg(cc, mesh->setInfluence, 7, kMax * kMax);
    mesh->setInfluence->execute(mesh->influence.getSize(), blockSize);
    if (surface)
        surface->setBox(box);
    cells.setBox(box);
    if (chargeCells)
        chargeCells->setBox(box);
    if (chargePairs)
        chargePairs->setBox(box);
}

void DeviceMesh::setPositions() {
    if (stepsUntilSort == 0) {
        cells.sort();
        if (chargeCells)
            chargeCells->sort();
        stepsUntilSort = STEPS_BETWEEN_SORTS;
    }
    stepsUntilSort--;
}

void DeviceMesh::executeForAtoms(ComputeKernel& kernel, int numAtoms) {
    // OpenMM has six blocks for each multiprocessor. More groups than are resident would only start when others have ended.
    int resident = max(1, cc.getNumThreadBlocks() * residentThreads / (6 * LARGEST_BLOCK));
    int groups = min((numAtoms + groupAtoms - 1) / groupAtoms, resident);
    kernel->execute(groups * groupAtoms * TEAM, groupAtoms * TEAM);
}

void DeviceMesh::solve() {
    mesh->toReal->execute(mesh->values.getSize(), blockSize);
    mesh->fft->execFFT(mesh->values, mesh->spectrum, true);
    mesh->convolve->execute(mesh->influence.getSize(), blockSize);
    mesh->fft->execFFT(mesh->spectrum, mesh->values, false);
}

void DeviceMesh::potentialOfCharges() {
    executeForAtoms(mesh->spreadCharges, charges.size);
    solve();
    executeForAtoms(mesh->gatherCharges, numParticles);
    if (surface)
        surface->addOfCharges();
    if (chargePairs)
        chargePairs->potentialOfCharges();
}

void DeviceMesh::forcesOnCharges() {
    executeForAtoms(mesh->gatherForces, charges.size);
    if (surface)
        surface->addForcesOnCharges();
    if (chargePairs)
        chargePairs->forcesOnCharges();
}

void DeviceMesh::induce(const FieldArguments& field) {
    executeForAtoms(mesh->spreadPermanent, numParticles);
    solve();
    if (surface) {
        induceWithSurface(field);
        return;
    }
    field.setArgs(cc, mesh->gatherAndInduce, 13);
    executeForAtoms(mesh->gatherAndInduce, numParticles);
}

void DeviceMesh::induceWithSurface(const FieldArguments& field) {
    if (!chargeIsChecked)
        surface->checkCharge(response.permanent);
    chargeIsChecked = true;
    executeForAtoms(mesh->gatherPermanent, numParticles);
    surface->add(response.permanent, nullptr, response.phi);
    if (charges.size > 0)
        mesh->addCharges->execute(20 * numParticles);
    field.setArgs(cc, mesh->induce, 5);
    mesh->induce->execute(numParticles);
}

void DeviceMesh::spread(ComputeArray& sources) {
    mesh->spreadSources->setArg(3, sources);
    executeForAtoms(mesh->spreadSources, numParticles);
}

void DeviceMesh::potentialOfInduced() {
    if (inducesLater) {
        spread(response.induced);
        if (charges.size > 0)  // the charges feel both together
            spread(response.permanent);
    }
    solve();
    executeForAtoms(mesh->gather, numParticles);
    if (surface)
        surface->add(response.induced, charges.size > 0 ? &response.permanent : nullptr, response.phiInduced);
    if (charges.size > 0)  // and the permanent ones with them
        mesh->removePermanent->execute(20 * numParticles);
}

void DeviceMesh::potentialAtPoints(ComputeArray& points, ComputeArray& sources, ComputeArray& potential) {
    int numPoints = potential.getSize();
    spread(sources);
    solve();
    mesh->gatherPotential->setArg(3, numPoints);
    mesh->gatherPotential->setArg(5, points);
    mesh->gatherPotential->setArg(8, potential);
    executeForAtoms(mesh->gatherPotential, numPoints);
    if (surface)
        surface->addAtPoints(sources, points, potential);
}

void DeviceMesh::getMeshSize(int result[3]) const {
    copy(size, size + 3, result);
}
