#pragma once
#include "ForAtoms.h"
#include "Multipole.h"
#include "MutualInduction.h"
#include <memory>
#include <vector>

namespace PolarMPPlugin {

/** A symmetric 3x3 tensor in the order of PAIR. */
struct SymmetricTensor {
    double component[6] = {0, 0, 0, 0, 0, 0};
    OpenMM::Vec3 operator*(const OpenMM::Vec3& v) const {
        OpenMM::Vec3 result;
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++)
                result[a] += component[PAIR[a][b]] * v[b];
        return result;
    }
    double trace() const {
        return component[0] + component[3] + component[5];
    }
};

/** The atoms with those moments of the source that act: quadrupoles symmetric and traceless, polarizabilities symmetric. */
struct Atoms {
    std::vector<OpenMM::Vec3> positions;  // A
    std::vector<Multipole> permanent;
    std::vector<double> softness;                 // kappa, empty if nothing induces charges
    std::vector<SymmetricTensor> polarizability;  // alpha, empty if nothing induces dipoles
    std::vector<double> localCharges;             // q0, empty unless neighbours exchange charge
};

class ChargeConstraint;

/**
 * Sections 3, 4 and 6 of theory.md: from the potential of the permanent moments to the induced ones, and from both
 * potentials to the energy, its derivatives with respect to all moments and the forces at fixed moments.
 */
class OneShotResponse {
public:
    /**
     * @param sigma       in A
     * @param ownAtoms    whether the potentials contain each atom's own smeared multipole
     * @param periodic    in a periodic box the field does not act through the softness
     * @param constraint  given total charges or a Fermi level, with mutual induction; may be null
     */
    OneShotResponse(double sigma, bool ownAtoms, bool periodic, std::unique_ptr<ChargeConstraint> constraint, ForAtoms forAtoms);
    ~OneShotResponse();
    /** Null if there is none. */
    const ChargeConstraint* getConstraint() const {
        return constraint.get();
    }
    /**
     * @param phi    of the permanent moments, and of the point charges around them
     * @param field  the latent external field s E0 in V/A
     */
    void induce(const Atoms& atoms, const std::vector<Derivatives>& phi, const OpenMM::Vec3& field);
    /**
     * Adds to the induced charges what has flowed between neighbours, between induce() and differentiate().
     *
     * @param charges   dq, e
     * @param energies  of the flows and of the transfers in the field, eV
     */
    void addFlows(const std::vector<double>& charges, const std::vector<double>& energies);
    /** The same where the induced charges contain them already. */
    void setFlows(const std::vector<double>& charges, const std::vector<double>& energies);
    /**
     * Induced moments, without flows, from what the atoms feel of the permanent ones and, in `fromInduced`, of induced ones.
     *
     * @return  y R y in eV, with R y the induced moments
     */
    double respond(const Atoms& atoms, const OpenMM::Vec3& field);
    /** What induced moments, whose potential this is, make the other atoms feel. */
    Felt felt(const std::vector<Derivatives>& phiInduced, const std::vector<Multipole>& moments) const;
    /** What an atom feels of all others, permanent and induced; without the external field. */
    double feltPotential(size_t i) const;
    OpenMM::Vec3 feltField(size_t i) const;
    /** To be called when `induced` and `fromInduced` have been changed. */
    void acceptInduced(const Atoms& atoms, const OpenMM::Vec3& field);
    /**
     * @param phiInduced  potential of the induced moments; empty if there are none
     * @param phiCharges  the point charges' part of phi; empty if there are none
     */
    void differentiate(const Atoms& atoms, const std::vector<Derivatives>& phi, const std::vector<Derivatives>& phiInduced,
                       const std::vector<Derivatives>& phiCharges, const OpenMM::Vec3& field);

    // after induce()
    std::vector<double> potential;                    // Phi'
    std::vector<OpenMM::Vec3> electricField;          // E'
    std::vector<Multipole> induced;                   // (dq, dmu, 0)
    Felt fromInduced;                                 // with mutual induction: what the induced moments make each other feel
    // after differentiate()
    double energy = 0;                                // eV
    std::vector<OpenMM::Vec3> forces;                 // eV/A, at fixed moments
    std::vector<double> chargeGradients, softnessGradients;
    std::vector<OpenMM::Vec3> dipoleGradients;
    std::vector<SymmetricTensor> quadrupoleGradients, polarizabilityGradients;

private:
    /** The potential of an atom's own smeared multipole at the atom, up to the derivatives that Phi', E' and grad grad Phi' need. */
    Derivatives ownAtomPart(const Multipole& m) const;
    /** Phi', in a cluster with the potential of the external field, and with the level of the atom's group. */
    double potentialInField(const Atoms& atoms, size_t i, const OpenMM::Vec3& field) const;
    /** Whether an atom's charge is part of a given one, so that the origin of the field's potential does not matter. */
    bool isConstrained(size_t i) const;
    void findLevels(const Atoms& atoms, const OpenMM::Vec3& field);
    void sumInducedCharges();
    void differentiateAtom(const Atoms& atoms, size_t i, const Derivatives& phi, const Derivatives& phiInduced, const OpenMM::Vec3& field);
    const double ownCharge, ownDipole, ownQuadrupole;  // strengths of the own-atom part; 0 if the potentials have none
    const bool periodic;
    const std::unique_ptr<ChargeConstraint> constraint;
    const ForAtoms forAtoms;
    std::vector<double> flowCharges, flowEnergies;  // empty without flows
    std::vector<double> energies;  // per atom, so that their sum does not depend on the number of threads
    // of the atoms whose charge is not part of a given one
    double totalSoftness = 0, totalInducedCharge = 0;
    OpenMM::Vec3 centerOfSoftness;  // r_c
};

} // namespace PolarMPPlugin
