#include "OneShotResponse.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

Derivatives OneShotResponse::ownAtomPart(const Multipole& m) const {
    Derivatives own;
    if (!ownAtoms)
        return own;
    double scale = COULOMB * sqrt(2 / M_PI) / sigma;
    own.value = scale * m.charge;
    own.gradient = m.dipole * (scale / (3 * sigma * sigma));
    for (int c = 0; c < 6; c++)
        own.second[c] = m.quadrupole[c] * (scale / (5 * pow(sigma, 4)));
    return own;
}

double OneShotResponse::potentialInField(const Atoms& atoms, size_t i, const Vec3& field) const {
    return periodic ? potential[i] : potential[i] - field.dot(atoms.positions[i] - centerOfSoftness);
}

void OneShotResponse::induce(const Atoms& atoms, const vector<Derivatives>& phi, const Vec3& field) {
    size_t n = atoms.positions.size();
    potential.resize(n);
    electricField.resize(n);
    for (size_t i = 0; i < n; i++) {
        Derivatives own = ownAtomPart(atoms.permanent[i]);
        potential[i] = phi[i].value - own.value;
        electricField[i] = own.gradient - phi[i].gradient;
    }
    totalSoftness = 0;
    centerOfSoftness = Vec3();
    for (size_t i = 0; i < atoms.softness.size(); i++) {
        totalSoftness += atoms.softness[i];
        centerOfSoftness += atoms.positions[i] * atoms.softness[i];
    }
    if (totalSoftness > 0)
        centerOfSoftness /= totalSoftness;
    induced.assign(n, Multipole());
    for (size_t i = 0; i < n; i++) {
        if (!atoms.softness.empty())
            induced[i].charge = -atoms.softness[i] * potentialInField(atoms, i, field);
        if (!atoms.polarizability.empty())
            induced[i].dipole = atoms.polarizability[i] * (electricField[i] + field);
    }
}

void OneShotResponse::differentiate(const Atoms& atoms, const vector<Derivatives>& phi, const vector<Derivatives>& phiInduced,
                                    const Vec3& field) {
    size_t n = atoms.positions.size();
    bool cluster = !periodic, inField = (field != Vec3());
    energy = 0;
    forces.assign(n, Vec3());
    chargeGradients.assign(n, 0.0);
    dipoleGradients.assign(n, Vec3());
    quadrupoleGradients.assign(n, SymmetricTensor());
    softnessGradients.assign(n, 0.0);
    polarizabilityGradients.assign(n, SymmetricTensor());
    double totalInducedCharge = 0;
    for (const Multipole& m : induced)
        totalInducedCharge += m.charge;
    for (size_t i = 0; i < n; i++) {
        const Multipole& m = atoms.permanent[i];
        const Derivatives own = ownAtomPart(m), ownInduced = ownAtomPart(induced[i]);
        const Derivatives none, &raw = phi[i], &rawInduced = phiInduced.empty() ? none : phiInduced[i];

        energy += 0.5 * (energyOf(m, raw) - energyOf(m, own));
        Multipole total = m;
        total.charge += induced[i].charge;
        total.dipole += induced[i].dipole;
        // Raw potentials: the own-atom parts cancel between the two terms (theory.md section 4).
        forces[i] = -(gradientOf(total, raw) + gradientOf(m, rawInduced));

        chargeGradients[i] = raw.value - own.value + rawInduced.value - ownInduced.value;
        dipoleGradients[i] = raw.gradient - own.gradient + rawInduced.gradient - ownInduced.gradient;
        for (int c = 0; c < 6; c++)
            quadrupoleGradients[i].component[c] = 0.5 * (raw.second[c] - own.second[c] + rawInduced.second[c]);
        double trace = quadrupoleGradients[i].trace() / 3;
        for (int c : {0, 3, 5})
            quadrupoleGradients[i].component[c] -= trace;

        if (!atoms.softness.empty()) {
            double phiInField = potentialInField(atoms, i, field);
            softnessGradients[i] = -0.5 * phiInField * phiInField;
            energy += atoms.softness[i] * softnessGradients[i];
        }
        if (!atoms.polarizability.empty()) {
            Vec3 E = electricField[i] + field;
            for (int a = 0; a < 3; a++)
                for (int b = a; b < 3; b++)
                    polarizabilityGradients[i].component[PAIR[a][b]] = -0.5 * E[a] * E[b];
            energy -= 0.5 * E.dot(atoms.polarizability[i] * E);
        }

        if (inField) {
            energy -= field.dot(atoms.positions[i] * m.charge + m.dipole);
            dipoleGradients[i] -= field;
            forces[i] += field * m.charge;
            if (cluster) {
                chargeGradients[i] -= field.dot(atoms.positions[i]);
                if (totalSoftness > 0) {
                    // r_c moves with the atoms and with their softness.
                    double share = atoms.softness[i] / totalSoftness;
                    forces[i] += field * (induced[i].charge - share * totalInducedCharge);
                    softnessGradients[i] += totalInducedCharge / totalSoftness * field.dot(atoms.positions[i] - centerOfSoftness);
                }
            }
        }
    }
}
