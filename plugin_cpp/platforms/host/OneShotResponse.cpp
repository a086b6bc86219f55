#include "OneShotResponse.h"
#include "ChargeConstraint.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

OneShotResponse::OneShotResponse(double sigma, bool ownAtoms, bool periodic, unique_ptr<ChargeConstraint> constraint,
                                 ForAtoms forAtoms)
        : ownCharge(ownAtoms ? COULOMB * sqrt(2 / M_PI) / sigma : 0), ownDipole(ownCharge / (3 * pow(sigma, 2))),
          ownQuadrupole(ownCharge / (5 * pow(sigma, 4))), periodic(periodic), constraint(move(constraint)), forAtoms(forAtoms) {
}

OneShotResponse::~OneShotResponse() = default;

bool OneShotResponse::isConstrained(size_t i) const {
    return constraint && constraint->isConstrained(i);
}

Derivatives OneShotResponse::ownAtomPart(const Multipole& m) const {
    Derivatives own;
    own.value = ownCharge * m.charge;
    own.gradient = m.dipole * ownDipole;
    for (int c = 0; c < 6; c++)
        own.second[c] = m.quadrupole[c] * ownQuadrupole;
    return own;
}

double OneShotResponse::potentialInField(const Atoms& atoms, size_t i, const Vec3& field) const {
    const double felt = feltPotential(i) + (constraint ? constraint->levelAt(i) : 0);
    return periodic ? felt : felt - field.dot(isConstrained(i) ? atoms.positions[i] : atoms.positions[i] - centerOfSoftness);
}

double OneShotResponse::feltPotential(size_t i) const {
    return fromInduced.size() == 0 ? potential[i] : potential[i] + fromInduced.potential[i];
}

Vec3 OneShotResponse::feltField(size_t i) const {
    return fromInduced.size() == 0 ? electricField[i] : electricField[i] - fromInduced.gradient[i];
}

Felt OneShotResponse::felt(const vector<Derivatives>& phiInduced, const vector<Multipole>& moments) const {
    Felt felt(phiInduced.size());
    for (size_t i = 0; i < phiInduced.size(); i++) {
        Derivatives own = ownAtomPart(moments[i]);
        felt.potential[i] = phiInduced[i].value - own.value;
        felt.gradient[i] = phiInduced[i].gradient - own.gradient;
    }
    return felt;
}

void OneShotResponse::induce(const Atoms& atoms, const vector<Derivatives>& phi, const Vec3& field) {
    size_t n = atoms.positions.size();
    flowCharges.clear();
    flowEnergies.clear();
    potential.resize(n);
    electricField.resize(n);
    induced.resize(n);
    totalSoftness = 0;
    centerOfSoftness = Vec3();
    if (constraint)
        constraint->setAtoms(atoms);
    for (size_t i = 0; i < atoms.softness.size(); i++)
        if (!isConstrained(i)) {
            totalSoftness += atoms.softness[i];
            centerOfSoftness += atoms.positions[i] * atoms.softness[i];
        }
    if (totalSoftness > 0)
        centerOfSoftness /= totalSoftness;
    forAtoms(n, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; i++) {
            Derivatives own = ownAtomPart(atoms.permanent[i]);
            potential[i] = phi[i].value - own.value;
            electricField[i] = own.gradient - phi[i].gradient;
        }
    });
    fromInduced = Felt();
    respond(atoms, field);
}

void OneShotResponse::findLevels(const Atoms& atoms, const Vec3& field) {
    if (!constraint)
        return;
    vector<double> felt(induced.size());
    for (size_t i = 0; i < felt.size(); i++)
        felt[i] = potentialInField(atoms, i, field) - constraint->levelAt(i);
    constraint->findLevels(atoms, felt);
}

double OneShotResponse::respond(const Atoms& atoms, const Vec3& field) {
    findLevels(atoms, field);
    forAtoms(induced.size(), [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; i++) {
            induced[i] = Multipole();
            if (!atoms.softness.empty())
                induced[i].charge = -atoms.softness[i] * potentialInField(atoms, i, field);
            if (!atoms.polarizability.empty())
                induced[i].dipole = atoms.polarizability[i] * (feltField(i) + field);
        }
    });
    sumInducedCharges();
    double size = 0;
    for (size_t i = 0; i < induced.size(); i++)
        size += induced[i].dipole.dot(feltField(i) + field) - induced[i].charge * potentialInField(atoms, i, field);
    return size;
}

void OneShotResponse::acceptInduced(const Atoms& atoms, const Vec3& field) {
    findLevels(atoms, field);
    sumInducedCharges();
}

void OneShotResponse::sumInducedCharges() {
    totalInducedCharge = 0;
    for (size_t i = 0; i < induced.size(); i++)
        if (!isConstrained(i))
            totalInducedCharge += induced[i].charge;
}

void OneShotResponse::addFlows(const vector<double>& charges, const vector<double>& newEnergies) {
    setFlows(charges, newEnergies);
    for (size_t i = 0; i < charges.size(); i++)
        induced[i].charge += charges[i];
}

void OneShotResponse::setFlows(const vector<double>& charges, const vector<double>& newEnergies) {
    flowCharges = charges;
    flowEnergies = newEnergies;
}

void OneShotResponse::differentiate(const Atoms& atoms, const vector<Derivatives>& phi, const vector<Derivatives>& phiInduced,
                                    const vector<Derivatives>& phiCharges, const Vec3& field) {
    size_t n = atoms.positions.size();
    forces.resize(n);
    energies.resize(n);
    chargeGradients.resize(n);
    dipoleGradients.resize(n);
    quadrupoleGradients.resize(n);
    softnessGradients.resize(n);
    polarizabilityGradients.resize(n);
    forAtoms(n, [&](size_t begin, size_t end) {
        const Derivatives none;
        for (size_t i = begin; i < end; i++)
            differentiateAtom(atoms, i, phi[i], phiInduced.empty() ? none : phiInduced[i], field);
        // Half of M[Phi] is the energy among the multipoles themselves; of the charges' potential the other half is missing.
        for (size_t i = begin; i < end && !phiCharges.empty(); i++)
            energies[i] += 0.5 * energyOf(atoms.permanent[i], phiCharges[i]);
    });
    energy = 0;
    for (double part : energies)
        energy += part;
}

void OneShotResponse::differentiateAtom(const Atoms& atoms, size_t i, const Derivatives& phi, const Derivatives& phiInduced, const Vec3& field) {
    const Multipole& m = atoms.permanent[i];
    const Derivatives own = ownAtomPart(m), ownInduced = ownAtomPart(induced[i]);
    double& energy = energies[i];
    softnessGradients[i] = 0;
    polarizabilityGradients[i] = SymmetricTensor();
    energy = 0.5 * (energyOf(m, phi) - energyOf(m, own));
    Multipole total = m;
    total.charge += induced[i].charge;
    total.dipole += induced[i].dipole;
    // Raw potentials: the own-atom parts cancel between the two terms (theory.md section 4).
    forces[i] = -(gradientOf(total, phi) + gradientOf(m, phiInduced));
    if (fromInduced.size() > 0) {
        forces[i] -= gradientOf(induced[i], phiInduced);
        energy -= 0.5 * (induced[i].charge * fromInduced.potential[i] + induced[i].dipole.dot(fromInduced.gradient[i]));
    }

    chargeGradients[i] = phi.value - own.value + phiInduced.value - ownInduced.value;
    dipoleGradients[i] = phi.gradient - own.gradient + phiInduced.gradient - ownInduced.gradient;
    SymmetricTensor& quadrupoleGradient = quadrupoleGradients[i];
    for (int c = 0; c < 6; c++)
        quadrupoleGradient.component[c] = 0.5 * (phi.second[c] - own.second[c] + phiInduced.second[c]);
    double third = quadrupoleGradient.trace() / 3;
    for (int c : {0, 3, 5})
        quadrupoleGradient.component[c] -= third;

    if (!atoms.softness.empty()) {
        double phiInField = potentialInField(atoms, i, field);
        softnessGradients[i] = -0.5 * phiInField * phiInField;
        energy += atoms.softness[i] * softnessGradients[i];
    }
    if (!atoms.polarizability.empty()) {
        Vec3 E = feltField(i) + field;
        for (int a = 0; a < 3; a++)
            for (int b = a; b < 3; b++)
                polarizabilityGradients[i].component[PAIR[a][b]] = -0.5 * E[a] * E[b];
        energy -= 0.5 * E.dot(atoms.polarizability[i] * E);
    }
    if (!flowEnergies.empty())
        energy += flowEnergies[i];
    if (constraint) {
        energy += constraint->energyOf(i, m.charge);
        chargeGradients[i] += constraint->levelAt(i);
    }
    if (field == Vec3())
        return;
    // What neighbours have exchanged meets the field in their flows.
    const double localCharge = atoms.localCharges.empty() ? m.charge : atoms.localCharges[i];
    energy -= field.dot(atoms.positions[i] * localCharge + m.dipole);
    dipoleGradients[i] -= field;
    const double flowed = flowCharges.empty() ? 0 : flowCharges[i];
    forces[i] += field * (m.charge + flowed);
    if (periodic)
        return;
    chargeGradients[i] -= field.dot(atoms.positions[i]);
    if (isConstrained(i))
        forces[i] += field * (induced[i].charge - flowed);
    else if (totalSoftness > 0) {
        // r_c moves with the atoms and with their softness.
        double share = atoms.softness[i] / totalSoftness;
        forces[i] += field * (induced[i].charge - flowed - share * totalInducedCharge);
        softnessGradients[i] += totalInducedCharge / totalSoftness * field.dot(atoms.positions[i] - centerOfSoftness);
    }
}
