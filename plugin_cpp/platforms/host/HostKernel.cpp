#include "HostKernel.h"
#include "ChargeConstraint.h"
#include "SurfaceSolver.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/reference/ReferencePlatform.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/PolarMPForceImpl.h"
#include "openmm_polarmp/internal/UnusableNumber.h"
#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

ReferencePlatform::PlatformData& platformData(ContextImpl& context) {
    return *reinterpret_cast<ReferencePlatform::PlatformData*>(context.getPlatformData());
}

/** The symmetric part of a row of nine numbers. */
SymmetricTensor symmetricPart(const double* matrix) {
    SymmetricTensor tensor;
    for (int a = 0; a < 3; a++)
        for (int b = a; b < 3; b++)
            tensor.component[PAIR[a][b]] = 0.5 * (matrix[3 * a + b] + matrix[3 * b + a]);
    return tensor;
}

} // namespace

void HostKernel::initialize(const System& system, const PolarMPForce& force) {
    particles = force.getParticles();
    if (particles.empty())
        for (int i = 0; i < system.getNumParticles(); i++)
            particles.push_back(i);
    periodic = force.usesPeriodicBoundaryConditions();
    createSetup(force);
}

void HostKernel::createSetup(const PolarMPForce& force) {
    auto next = make_unique<Setup>();
    next->source = force.requireSource();
    next->moments = next->source->getMomentSet();
    if (force.getPolarizationType() == PolarMPForce::NoPolarization)
        next->moments[SOFTNESS] = next->moments[POLARIZABILITY] = next->moments.conducts = false;
    next->latentScale = LatentScale(force, next->moments);
    next->evaluation = next->source->bind(allocate(next->memory));
    next->solver = createSolver(force);
    if (periodic && force.getBoundary() != PolarMPForce::Conducting)
        next->solver = make_unique<SurfaceSolver>(move(next->solver), force.getBoundary(), force.getSigma() * ANGSTROM_PER_NM);
    next->needsNeutralBox = periodic && force.getBoundary() == PolarMPForce::Vacuum;
    ForAtoms threaded = [this](size_t n, const function<void(size_t, size_t)>& work) { forAtoms(n, work); };
    unique_ptr<ChargeConstraint> constraint;
    if (ChargeGroups groups(force, particles.size()); groups.size() > 0)
        constraint = make_unique<ChargeConstraint>(move(groups));
    next->response = make_unique<OneShotResponse>(force.getSigma() * ANGSTROM_PER_NM, next->solver->containsOwnAtoms(), periodic, move(constraint),
                                                  threaded);
    if (force.getPolarizationType() == PolarMPForce::Mutual && next->moments.induces())
        next->mutual = createMutualInduction(force);
    Embedding& embedding = next->embedding;
    embedding.particles = force.getEmbeddingParticles();
    for (double charge : force.getEmbeddingCharges())
        embedding.charges.push_back(force.getEmbeddingScale() * charge);
    if (periodic && force.getEmbeddingKernel() == PolarMPForce::Point)
        embedding.correction = make_unique<PointChargeCorrection>(force.getSigma() * ANGSTROM_PER_NM, threaded);
    // No exception has been thrown: from here on the new one is used.
    swap(setup, next);
    evaluated = false;
}

double HostKernel::chargeWidth(const PolarMPForce& force) {
    return force.getSigma() * ANGSTROM_PER_NM * (force.getEmbeddingKernel() == PolarMPForce::Point ? sqrt(0.5) : 1);
}

SourceBuffers HostKernel::allocate(Memory& memory) {
    const int n = particles.size();
    auto zeros = [&](vector<double>& values, int components) {
        values.assign(n * components, 0.0);
        return values.data();
    };
    SourceBuffers buffers;
    buffers.numParticles = n;
    buffers.periodic = periodic;
    buffers.particles = particles;
    buffers.threads = workerThreads();
    buffers.cell = memory.cell;
    buffers.energy = &memory.energy;
    buffers.positions = zeros(memory.positions, 3);
    for (Moment m : ALL_MOMENTS) {
        buffers.moments[m] = zeros(memory.moments[m], MOMENTS[m].components);
        buffers.gradients[m] = zeros(memory.gradients[m], MOMENTS[m].components);
    }
    buffers.forces = zeros(memory.forces, 3);
    for (int value = 0; value < NUM_FLOW_VALUES; value++)
        buffers.flows[value] = zeros(memory.flows[value], 1);
    return buffers;
}

void HostKernel::readPositions(ContextImpl& context) {
    const vector<Vec3>& all = *platformData(context).positions;
    atoms.positions.resize(particles.size());
    for (size_t i = 0; i < particles.size(); i++) {
        atoms.positions[i] = all[particles[i]] * ANGSTROM_PER_NM;
        for (int a = 0; a < 3; a++) {
            setup->memory.positions[3 * i + a] = atoms.positions[i][a];
            if (!isfinite(atoms.positions[i][a]))
                throwUnusable("position", particles[i], atoms.positions[i][a]);
        }
    }
    Embedding& embedding = setup->embedding;
    embedding.positions.resize(embedding.particles.size());
    for (size_t m = 0; m < embedding.particles.size(); m++) {
        embedding.positions[m] = all[embedding.particles[m]] * ANGSTROM_PER_NM;
        for (int a = 0; a < 3; a++)
            if (!isfinite(embedding.positions[m][a]))
                throwUnusable("position", embedding.particles[m], embedding.positions[m][a]);
    }
}

void HostKernel::readBox(ContextImpl& context) {
    if (!periodic)
        return;
    Vec3 box[3];
    context.getPeriodicBoxVectors(box[0], box[1], box[2]);
    for (int i = 0; i < 3; i++) {
        box[i] *= ANGSTROM_PER_NM;
        for (int a = 0; a < 3; a++)
            setup->memory.cell[3 * i + a] = box[i][a];
    }
    if (equal(box, box + 3, setup->box))
        return;
    setup->solver->setBox(box);
    if (setup->embedding.correction)
        setup->embedding.correction->setBox(box);
    copy(box, box + 3, setup->box);
}

void HostKernel::checkMoments() {
    const size_t n = particles.size();
    for (Moment m : ALL_MOMENTS) {
        if (!setup->moments[m])
            continue;
        const vector<double>& values = setup->memory.moments[m];
        const size_t components = MOMENTS[m].components;
        auto isUsable = [m](double value) { return isfinite(value) && (MOMENTS[m].mayBeNegative || value >= 0); };
        atomic<bool> areUsable(true);
        forAtoms(n, [&](size_t begin, size_t end) {
            if (!all_of(&values[0] + begin * components, &values[0] + end * components, isUsable))
                areUsable = false;
        });
        if (areUsable)
            continue;
        const size_t first = find_if_not(values.begin(), values.end(), isUsable) - values.begin();
        throwUnusable(MOMENTS[m].name, particles[first / components], values[first]);
    }
}

void HostKernel::checkFlows(FlowValue value) {
    const vector<double>& values = setup->memory.flows[value];
    const bool mayBeNegative = FLOW_VALUES[value].mayBeNegative;
    for (size_t i = 0; i < values.size(); i++)
        if (!isfinite(values[i]) || (!mayBeNegative && values[i] < 0))
            throwUnusable(FLOW_VALUES[value].name, particles[i], values[i]);
}

void HostKernel::readMoments() {
    checkMoments();
    if (setup->moments.flows) {
        checkFlows(LOCAL_CHARGE);
        checkFlows(FLOW_POLARIZABILITY);
        atoms.localCharges = setup->memory.flows[LOCAL_CHARGE];
    }
    else
        atoms.localCharges.clear();
    const size_t n = particles.size();
    const MomentSet& present = setup->moments;
    const MomentArrays& values = setup->memory.moments;
    atoms.permanent.resize(n);
    atoms.softness.resize(present[SOFTNESS] ? n : 0);
    atoms.polarizability.resize(present[POLARIZABILITY] ? n : 0);
    forAtoms(n, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; i++) {
            Multipole& m = atoms.permanent[i];
            m = Multipole();
            m.charge = values[CHARGE][i];
            if (present[DIPOLE])
                m.dipole = Vec3(values[DIPOLE][3 * i], values[DIPOLE][3 * i + 1], values[DIPOLE][3 * i + 2]);
            if (present[QUADRUPOLE]) {
                SymmetricTensor Q = symmetricPart(&values[QUADRUPOLE][9 * i]);
                double third = Q.trace() / 3;
                for (int c : {0, 3, 5})
                    Q.component[c] -= third;
                copy(Q.component, Q.component + 6, m.quadrupole);
            }
            if (present[SOFTNESS])
                atoms.softness[i] = values[SOFTNESS][i];
            if (present[POLARIZABILITY])
                atoms.polarizability[i] = symmetricPart(&values[POLARIZABILITY][9 * i]);
        }
    });
}

Vec3 HostKernel::latentField(ContextImpl& context) {
    externalField = PolarMPForceImpl::externalField(context);
    double chi = 0;
    if (periodic) {
        double trace = 0;
        for (const SymmetricTensor& alpha : atoms.polarizability)
            trace += alpha.trace() / 3;
        if (setup->moments.conducts)
            for (double share : setup->memory.flows[FLOW_POLARIZABILITY])
                trace += share;
        const Vec3* box = setup->box;
        chi = 4 * M_PI * COULOMB * trace / fabs(box[0].dot(box[1].cross(box[2])));
    }
    const bool inField = (externalField != Vec3());
    fieldScale = (inField ? setup->latentScale.ofField(chi) : setup->latentScale.of(chi));
    return inField ? externalField * fieldScale : Vec3();
}

double HostKernel::execute(ContextImpl& context, bool includeForces, bool) {
    // A State for a report is often followed by a step from the same positions: they are evaluated only once.
    if (!evaluated || (includeForces && !evaluatedForces) || !isCurrent(context)) {
        evaluated = false;
        evaluate(context, includeForces);
        evaluated = true;
        evaluatedForces = includeForces;
    }
    const Memory& memory = setup->memory;
    const OneShotResponse& response = *setup->response;
    if (includeForces) {
        vector<Vec3>& forces = *platformData(context).forces;
        for (size_t i = 0; i < particles.size(); i++)
            for (int a = 0; a < 3; a++)
                forces[particles[i]][a] += (response.forces[i][a] + memory.forces[3 * i + a]) * FORCE_TO_OPENMM;
        const Embedding& embedding = setup->embedding;
        for (size_t m = 0; m < embedding.particles.size(); m++)
            forces[embedding.particles[m]] -= embedding.gradients[m] * (embedding.charges[m] * FORCE_TO_OPENMM);
    }
    return (memory.energy + response.energy) * EV_TO_KJ_PER_MOL;
}

void HostKernel::evaluate(ContextImpl& context, bool includeForces) {
    readPositions(context);
    readBox(context);
    auto step = [&]() { evaluateMoments(context, includeForces); };
    if (setup->evaluation->usesThreads())
        together(step);
    else
        step();
}

void HostKernel::evaluateMoments(ContextImpl& context, bool includeForces) {
    setup->evaluation->forward(includeForces);
    if (!isfinite(setup->memory.energy))
        throwUnusableEnergy();
    Vec3 field;
    together([&]() {
        readMoments();
        field = latentField(context);
        computePermanentPotential(field);
    });
    if (setup->mutual)
        induceMutually(field);
    computeFlows(field);
    together([&]() {
        if (!setup->mutual)
            computeInducedPotential();
        if (isEmbedded() && includeForces)
            computeGradientsAtCharges();
        setup->response->differentiate(atoms, phi, phiInduced, setup->embedding.potential, field);
        writeGradients();
    });
    if (!includeForces)
        return;
    Vec3 movingCharges = periodic ? field : Vec3();
    setup->evaluation->backward(&movingCharges[0]);
    const vector<double>& forces = setup->memory.forces;
    auto first = find_if_not(forces.begin(), forces.end(), [](double value) { return isfinite(value); });
    if (first != forces.end())
        throwUnusable("force from the source of moments", particles[(first - forces.begin()) / 3], *first);
}

void HostKernel::computePotentialOfCharges() {
    Embedding& embedding = setup->embedding;
    setup->solver->setCharges(embedding.positions, embedding.charges);
    setup->solver->potentialOfCharges(embedding.potential);
    if (embedding.correction)
        embedding.correction->addAtAtoms(atoms.positions, embedding.positions, embedding.charges, embedding.potential);
}

void HostKernel::computePermanentPotential(const Vec3& field) {
    if (setup->needsNeutralBox) {
        const vector<double>& permanent = setup->memory.moments[CHARGE];
        const ChargeConstraint* constraint = setup->response->getConstraint();
        double charge = accumulate(setup->embedding.charges.begin(), setup->embedding.charges.end(), 0.0);
        charge += constraint ? constraint->getGroups().totalCharge(permanent) : accumulate(permanent.begin(), permanent.end(), 0.0);
        checkNeutralBox(charge);
    }
    setup->solver->setPositions(atoms.positions);
    if (isEmbedded())
        computePotentialOfCharges();
    setup->solver->potentialAtAtoms(atoms.permanent, phi);
    if (isEmbedded()) {
        phiPermanent = phi;
        for (size_t i = 0; i < phi.size(); i++)
            phi[i] += setup->embedding.potential[i];
    }
    setup->response->induce(atoms, phi, field);
}

bool HostKernel::flowsIn(const Vec3& field) const {
    return setup->moments.flows && (setup->moments.conducts || field != Vec3());
}

void HostKernel::flow(const Vec3& field, bool responds) {
    const double latent[3] = {field[0], field[1], field[2]};
    setup->evaluation->flow(latent, responds);
    checkFlows(FLOW_CHARGE);
    checkFlows(FLOW_ENERGY);
}

void HostKernel::computeFlows(const Vec3& field) {
    if (!flowsIn(field))
        return;
    vector<double>* flows = setup->memory.flows;
    // The array keeps its place, at which the source knows it.
    for (size_t i = 0; i < particles.size(); i++)
        flows[FLOW_POTENTIAL][i] = setup->response->feltPotential(i);
    flow(field, setup->moments.conducts);
    if (setup->mutual)
        setup->response->setFlows(flows[FLOW_CHARGE], flows[FLOW_ENERGY]);
    else
        setup->response->addFlows(flows[FLOW_CHARGE], flows[FLOW_ENERGY]);
}

void HostKernel::computeInducedPotential() {
    PotentialSolver& solver = *setup->solver;
    phiInduced.clear();
    if (!setup->moments.induces())
        return;
    if (!isEmbedded()) {
        solver.potentialAtAtoms(setup->response->induced, phiInduced);
        return;
    }
    // The charges feel permanent and induced moments together: these take the place of the induced ones in the second round.
    solver.potentialAtAtoms(totalMoments(), phiInduced);
    for (size_t i = 0; i < phi.size(); i++)
        phiInduced[i] -= phiPermanent[i];
}

void HostKernel::computeGradientsAtCharges() {
    Embedding& embedding = setup->embedding;
    const vector<Multipole> total = totalMoments();
    setup->solver->gradientAtCharges(total, embedding.gradients);
    if (embedding.correction)
        embedding.correction->addAtCharges(atoms.positions, total, embedding.positions, embedding.gradients);
}

vector<Multipole> HostKernel::totalMoments() const {
    vector<Multipole> total = atoms.permanent;
    for (size_t i = 0; i < total.size(); i++) {
        total[i].charge += setup->response->induced[i].charge;
        total[i].dipole += setup->response->induced[i].dipole;
    }
    return total;
}

void HostKernel::writeGradients() {
    const OneShotResponse& response = *setup->response;
    MomentArrays& gradients = setup->memory.gradients;
    forAtoms(particles.size(), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; i++) {
            gradients[CHARGE][i] = response.chargeGradients[i];
            for (int a = 0; a < 3; a++)
                gradients[DIPOLE][3 * i + a] = response.dipoleGradients[i][a];
            writeMatrix(response.quadrupoleGradients[i].component, &gradients[QUADRUPOLE][9 * i]);
            gradients[SOFTNESS][i] = response.softnessGradients[i];
            writeMatrix(response.polarizabilityGradients[i].component, &gradients[POLARIZABILITY][9 * i]);
        }
    });
}

bool HostKernel::isCurrent(ContextImpl& context) {
    const vector<Vec3>& all = *platformData(context).positions;
    for (size_t i = 0; i < particles.size(); i++)
        if (all[particles[i]] * ANGSTROM_PER_NM != atoms.positions[i])
            return false;
    const Embedding& embedding = setup->embedding;
    for (size_t m = 0; m < embedding.particles.size(); m++)
        if (all[embedding.particles[m]] * ANGSTROM_PER_NM != embedding.positions[m])
            return false;
    Vec3 box[3];
    context.getPeriodicBoxVectors(box[0], box[1], box[2]);
    for (int i = 0; i < 3 && periodic; i++)
        if (box[i] * ANGSTROM_PER_NM != setup->box[i])
            return false;
    return PolarMPForceImpl::externalField(context) == externalField;
}

void HostKernel::copyParametersToContext(ContextImpl&, const PolarMPForce& force) {
    createSetup(force);
}
