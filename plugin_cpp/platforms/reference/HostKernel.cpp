#include "HostKernel.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/reference/ReferencePlatform.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/PolarMPForceImpl.h"
#include <algorithm>
#include <atomic>
#include <cmath>
#include <sstream>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

ReferencePlatform::PlatformData& platformData(ContextImpl& context) {
    return *reinterpret_cast<ReferencePlatform::PlatformData*>(context.getPlatformData());
}

[[noreturn]] void notFinite(const char* what, int particle, double value) {
    stringstream message;
    message << "PolarMPForce: the " << what << " of particle " << particle << " is " << value << "; it must be a finite number";
    throw OpenMMException(message.str());
}

void checkFinite(const char* what, const vector<double>& values, const vector<int>& particles) {
    int components = values.size() / particles.size();
    for (size_t i = 0; i < values.size(); i++)
        if (!isfinite(values[i]))
            notFinite(what, particles[i / components], values[i]);
}

template <class T>
vector<double> flatten(const vector<T>& values) {
    vector<double> result;
    for (const T& v : values)
        for (int a = 0; a < 3; a++)
            result.push_back(v[a]);
    return result;
}

void expand(const vector<SymmetricTensor>& tensors, vector<double>& result) {
    for (size_t i = 0; i < tensors.size(); i++)
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                result[9 * i + 3 * a + b] = tensors[i].component[PAIR[a][b]];
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
    bindSource(force);
}

void HostKernel::bindSource(const PolarMPForce& force) {
    evaluated = false;
    epsInf = force.getEpsInf();
    source = force.requireSource();
    moments = source->getMomentSet();
    if (force.getPolarizationType() == PolarMPForce::NoPolarization)
        moments.softness = moments.polarizability = false;
    int n = particles.size();
    SourceBuffers buffers;
    buffers.numParticles = n;
    buffers.periodic = periodic;
    buffers.particles = particles;
    buffers.threads = workerThreads();
    buffers.cell = memory.cell;
    buffers.energy = &memory.energy;
    auto allocate = [&](vector<double>& values, int components) {
        values.assign(n * components, 0.0);
        return values.data();
    };
    buffers.positions = allocate(memory.positions, 3);
    buffers.charges = allocate(memory.charges, 1);
    buffers.dipoles = allocate(memory.dipoles, 3);
    buffers.quadrupoles = allocate(memory.quadrupoles, 9);
    buffers.softness = allocate(memory.softness, 1);
    buffers.polarizability = allocate(memory.polarizability, 9);
    buffers.chargeGradients = allocate(memory.chargeGradients, 1);
    buffers.dipoleGradients = allocate(memory.dipoleGradients, 3);
    buffers.quadrupoleGradients = allocate(memory.quadrupoleGradients, 9);
    buffers.softnessGradients = allocate(memory.softnessGradients, 1);
    buffers.polarizabilityGradients = allocate(memory.polarizabilityGradients, 9);
    buffers.forces = allocate(memory.forces, 3);
    evaluation = source->bind(buffers);
    solver = createSolver(force);
    response = make_unique<OneShotResponse>(force.getSigma() * ANGSTROM_PER_NM, solver->containsOwnAtoms(), periodic,
                                            [this](size_t n, const function<void(size_t, size_t)>& work) { forAtoms(n, work); });
}

void HostKernel::readPositions(ContextImpl& context) {
    const vector<Vec3>& all = *platformData(context).positions;
    atoms.positions.resize(particles.size());
    for (size_t i = 0; i < particles.size(); i++) {
        atoms.positions[i] = all[particles[i]] * ANGSTROM_PER_NM;
        for (int a = 0; a < 3; a++) {
            memory.positions[3 * i + a] = atoms.positions[i][a];
            if (!isfinite(atoms.positions[i][a]))
                notFinite("position", particles[i], atoms.positions[i][a]);
        }
    }
}

void HostKernel::readBox(ContextImpl& context) {
    if (!periodic)
        return;
    Vec3 present[3];
    context.getPeriodicBoxVectors(present[0], present[1], present[2]);
    bool changed = false;
    for (int i = 0; i < 3; i++) {
        present[i] *= ANGSTROM_PER_NM;
        changed |= (present[i] != box[i]);
        for (int a = 0; a < 3; a++)
            memory.cell[3 * i + a] = present[i][a];
    }
    if (!changed)
        return;
    solver->setBox(present);
    for (int i = 0; i < 3; i++)
        box[i] = present[i];
}

void HostKernel::readMoments() {
    size_t n = particles.size();
    vector<pair<const char*, const vector<double>*>> given = {{"charge", &memory.charges}};
    if (moments.dipoles)
        given.push_back({"dipole", &memory.dipoles});
    if (moments.quadrupoles)
        given.push_back({"quadrupole", &memory.quadrupoles});
    if (moments.softness)
        given.push_back({"softness", &memory.softness});
    if (moments.polarizability)
        given.push_back({"polarizability", &memory.polarizability});
    atomic<bool> finite(true);
    forAtoms(n, [&](size_t begin, size_t end) {
        for (const auto& [what, values] : given) {
            size_t components = values->size() / n;
            if (!all_of(values->begin() + begin * components, values->begin() + end * components, [](double v) { return isfinite(v); }))
                finite = false;
        }
    });
    if (!finite)
        for (const auto& [what, values] : given)
            checkFinite(what, *values, particles);
    atoms.permanent.resize(n);
    atoms.softness = vector<double>(memory.softness.begin(), moments.softness ? memory.softness.end() : memory.softness.begin());
    atoms.polarizability.resize(moments.polarizability ? n : 0);
    for (size_t i = 0; i < atoms.softness.size(); i++)
        if (atoms.softness[i] < 0)
            throw OpenMMException("PolarMPForce: the softness of particle " + to_string(particles[i]) + " is "
                                  + to_string(atoms.softness[i]) + "; it must not be negative");
    forAtoms(n, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; i++) {
            Multipole& m = atoms.permanent[i];
            m = Multipole();
            m.charge = memory.charges[i];
            if (moments.dipoles)
                m.dipole = Vec3(memory.dipoles[3 * i], memory.dipoles[3 * i + 1], memory.dipoles[3 * i + 2]);
            if (moments.quadrupoles) {
                SymmetricTensor Q = symmetricPart(&memory.quadrupoles[9 * i]);
                double third = Q.trace() / 3;
                for (int c : {0, 3, 5})
                    Q.component[c] -= third;
                copy(Q.component, Q.component + 6, m.quadrupole);
            }
            if (moments.polarizability)
                atoms.polarizability[i] = symmetricPart(&memory.polarizability[9 * i]);
        }
    });
}

Vec3 HostKernel::latentField(ContextImpl& context) {
    externalField = PolarMPForceImpl::externalField(context);
    // s^2 = eps_e of theory.md section 6
    double screening = epsInf;
    if (periodic && moments.polarizability) {
        double trace = 0;
        for (const SymmetricTensor& alpha : atoms.polarizability)
            trace += alpha.trace() / 3;
        screening /= 1 + 4 * M_PI * COULOMB * trace / fabs(box[0].dot(box[1].cross(box[2])));
    }
    fieldScale = sqrt(screening);
    return externalField * fieldScale;
}

double HostKernel::execute(ContextImpl& context, bool includeForces, bool includeEnergy) {
    // A state for a report is often followed by a step from the same positions: they are evaluated once.
    if (!evaluated || (includeForces && !evaluatedForces) || !isCurrent(context)) {
        evaluated = false;
        evaluate(context, includeForces);
        evaluated = true;
        evaluatedForces = includeForces;
    }
    if (includeForces) {
        vector<Vec3>& forces = *platformData(context).forces;
        for (size_t i = 0; i < particles.size(); i++)
            for (int a = 0; a < 3; a++)
                forces[particles[i]][a] += (response->forces[i][a] + memory.forces[3 * i + a]) * FORCE_TO_OPENMM;
    }
    return (memory.energy + response->energy) * EV_TO_KJ_PER_MOL;
}

void HostKernel::evaluate(ContextImpl& context, bool includeForces) {
    readPositions(context);
    readBox(context);
    auto step = [&]() { evaluateMoments(context, includeForces); };
    if (evaluation->usesThreads())
        together(step);
    else
        step();
}

void HostKernel::evaluateMoments(ContextImpl& context, bool includeForces) {
    evaluation->forward(includeForces);
    if (!isfinite(memory.energy))
        throw OpenMMException("PolarMPForce: the energy that the source of moments gave is not a finite number");
    together([&]() { computeElectrostatics(context); });
    if (includeForces) {
        Vec3 movingCharges = periodic ? externalField * fieldScale : Vec3();
        evaluation->backward(&movingCharges[0]);
        checkFinite("force from the source of moments", memory.forces, particles);
    }
}

void HostKernel::computeElectrostatics(ContextImpl& context) {
    readMoments();
    Vec3 field = latentField(context);
    solver->setPositions(atoms.positions);
    solver->potentialAtAtoms(atoms.permanent, phi);
    response->induce(atoms, phi, field);
    if (moments.induces())
        solver->potentialAtAtoms(response->induced, phiInduced);
    else
        phiInduced.clear();
    response->differentiate(atoms, phi, phiInduced, field);
    writeGradients();
}

void HostKernel::writeGradients() {
    forAtoms(particles.size(), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; i++) {
            memory.chargeGradients[i] = response->chargeGradients[i];
            memory.softnessGradients[i] = response->softnessGradients[i];
            for (int a = 0; a < 3; a++) {
                memory.dipoleGradients[3 * i + a] = response->dipoleGradients[i][a];
                for (int b = 0; b < 3; b++) {
                    memory.quadrupoleGradients[9 * i + 3 * a + b] = response->quadrupoleGradients[i].component[PAIR[a][b]];
                    memory.polarizabilityGradients[9 * i + 3 * a + b] = response->polarizabilityGradients[i].component[PAIR[a][b]];
                }
            }
        }
    });
}

bool HostKernel::isCurrent(ContextImpl& context) {
    const vector<Vec3>& all = *platformData(context).positions;
    for (size_t i = 0; i < particles.size(); i++)
        if (all[particles[i]] * ANGSTROM_PER_NM != atoms.positions[i])
            return false;
    Vec3 present[3];
    context.getPeriodicBoxVectors(present[0], present[1], present[2]);
    for (int i = 0; i < 3 && periodic; i++)
        if (present[i] * ANGSTROM_PER_NM != box[i])
            return false;
    return PolarMPForceImpl::externalField(context) == externalField;
}

void HostKernel::getStepData(ContextImpl& context, StepData& data) {
    data.numParticles = particles.size();
    data.sourceEnergy = memory.energy;
    data.electrostaticEnergy = response->energy;
    data.fieldScale = fieldScale;
    data.charges = memory.charges;
    data.softness = memory.softness;
    data.dipoles = memory.dipoles;
    data.quadrupoles.assign(9 * particles.size(), 0.0);
    data.polarizability.assign(9 * particles.size(), 0.0);
    vector<SymmetricTensor> quadrupoles(particles.size());
    data.inducedCharges.clear();
    vector<Vec3> inducedDipoles;
    for (size_t i = 0; i < particles.size(); i++) {
        copy(atoms.permanent[i].quadrupole, atoms.permanent[i].quadrupole + 6, quadrupoles[i].component);
        data.inducedCharges.push_back(response->induced[i].charge);
        inducedDipoles.push_back(response->induced[i].dipole);
    }
    expand(quadrupoles, data.quadrupoles);
    expand(atoms.polarizability, data.polarizability);
    data.inducedDipoles = flatten(inducedDipoles);
    data.potential = response->potential;
    data.field = flatten(response->electricField);
    data.chargeGradients = memory.chargeGradients;
    data.dipoleGradients = memory.dipoleGradients;
    data.quadrupoleGradients = memory.quadrupoleGradients;
    data.softnessGradients = memory.softnessGradients;
    data.polarizabilityGradients = memory.polarizabilityGradients;
}

void HostKernel::getPotential(ContextImpl& context, const vector<Vec3>& points, vector<double>& potential) {
    vector<Multipole> total = atoms.permanent;
    for (size_t i = 0; i < total.size(); i++) {
        total[i].charge += response->induced[i].charge;
        total[i].dipole += response->induced[i].dipole;
    }
    solver->potentialAtPoints(points, total, potential);
}

void HostKernel::getPMEParameters(int& nx, int& ny, int& nz) const {
    int size[3];
    solver->getMeshSize(size);
    nx = size[0];
    ny = size[1];
    nz = size[2];
}

void HostKernel::copyParametersToContext(ContextImpl& context, const PolarMPForce& force) {
    if (force.requireSource()->getNumParticles() != (int) particles.size())
        throw OpenMMException("PolarMPForce: the new source describes " + to_string(force.requireSource()->getNumParticles())
                              + " particles; the Context was made for " + to_string(particles.size()));
    bindSource(force);
    for (Vec3& vector : box)  // the new solver has not seen it
        vector = Vec3();
}
