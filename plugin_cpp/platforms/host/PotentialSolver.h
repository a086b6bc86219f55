#pragma once
#include "Multipole.h"
#include <vector>

namespace PolarMPPlugin {

/** Computes the potential of smeared multipoles: the part in which the host platforms differ. Units A, e, V. */
class PotentialSolver {
public:
    virtual ~PotentialSolver() = default;
    /** Announces the box (periodic solvers only), before the potentials of a step. */
    virtual void setBox(const OpenMM::Vec3 box[3]) {
    }
    /** Whether the potentials at the atoms contain every atom's own smeared multipole. */
    virtual bool containsOwnAtoms() const = 0;
    /** Announces where the atoms are, before the potentials of a step. The array must stay as it is until the next call. */
    virtual void setPositions(const std::vector<OpenMM::Vec3>& newPositions) {
        positions = &newPositions;
    }
    /** Potential and derivatives up to the third at the atoms that carry the sources. */
    virtual void potentialAtAtoms(const std::vector<Multipole>& sources, std::vector<Derivatives>& result) = 0;
    /** Potential at any points, of all sources. */
    virtual void potentialAtPoints(const std::vector<OpenMM::Vec3>& points, const std::vector<Multipole>& sources,
                                   std::vector<double>& result) = 0;
    virtual void getMeshSize(int size[3]) const {
        size[0] = size[1] = size[2] = 0;
    }

protected:
    const std::vector<OpenMM::Vec3>* positions = nullptr;
};

} // namespace PolarMPPlugin
