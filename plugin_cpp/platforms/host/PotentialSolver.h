#pragma once
#include "Multipole.h"
#include <vector>

namespace PolarMPPlugin {

/** Computes the potential of smeared multipoles: the part in which the host platforms differ. Units A, e, V. */
class PotentialSolver {
public:
    virtual ~PotentialSolver() = default;
    /** Sets the box (A) before the potentials of a step; called for periodic solvers only. */
    virtual void setBox(const OpenMM::Vec3[3]) {
    }
    /** Whether the potentials at the atoms contain every atom's own smeared multipole. */
    virtual bool containsOwnAtoms() const = 0;
    /** Sets the atoms' positions (A) before the potentials of a step. The array must stay unchanged until the next call. */
    virtual void setPositions(const std::vector<OpenMM::Vec3>& newPositions) {
        positions = &newPositions;
    }
    /** Potential and derivatives up to the third at the atoms that carry the sources. */
    virtual void potentialAtAtoms(const std::vector<Multipole>& sources, std::vector<Derivatives>& result) = 0;
    /**
     * Sets the positions (A) of point charges (e) around the atoms, before the potentials of a step. The arrays must stay
     * unchanged until the next call.
     */
    virtual void setCharges(const std::vector<OpenMM::Vec3>& newPlaces, const std::vector<double>& newCharges) {
        places = &newPlaces;
        charges = &newCharges;
    }
    /** Potential of the point charges and its derivatives up to the third at the atoms. */
    virtual void potentialOfCharges(std::vector<Derivatives>& result) = 0;
    /** Gradient of the sources' potential at the point charges; `sources` are those of the last call of potentialAtAtoms(). */
    virtual void gradientAtCharges(const std::vector<Multipole>& sources, std::vector<OpenMM::Vec3>& result) = 0;
    /** Potential of all sources at any points (A). */
    virtual void potentialAtPoints(const std::vector<OpenMM::Vec3>& points, const std::vector<Multipole>& sources, std::vector<double>& result) = 0;
    /** Zeros if there is no mesh. */
    virtual void getMeshSize(int size[3]) const {
        size[0] = size[1] = size[2] = 0;
    }

protected:
    const std::vector<OpenMM::Vec3>* positions = nullptr;
    const std::vector<OpenMM::Vec3>* places = nullptr;  // of the point charges
    const std::vector<double>* charges = nullptr;
};

} // namespace PolarMPPlugin
