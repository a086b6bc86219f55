#pragma once
#include "PairPotential.h"
#include "PotentialSolver.h"

namespace PolarMPPlugin {

/** A cluster: the sum over all pairs, in one thread. */
class PairSum : public PotentialSolver {
public:
    explicit PairSum(double sigma) : pair(sigma) {
    }
    bool containsOwnAtoms() const override {
        return false;
    }
    void potentialAtAtoms(const std::vector<Multipole>& sources, std::vector<Derivatives>& result) override;
    void potentialAtPoints(const std::vector<OpenMM::Vec3>& points, const std::vector<Multipole>& sources, std::vector<double>& result) override;

protected:
    /** The potential of all other atoms at atom i. */
    void addOthers(size_t i, const std::vector<Multipole>& sources, Derivatives& result) const;

private:
    const PairPotential pair;
};

} // namespace PolarMPPlugin
