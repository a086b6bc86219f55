#pragma once
#include "ForAtoms.h"
#include "PairPotential.h"
#include "PotentialSolver.h"

namespace PolarMPPlugin {

/** A cluster: the sum over all pairs. */
class PairSum : public PotentialSolver {
public:
    /**
     * @param sigma        in A
     * @param chargeWidth  width of the pair kernel between point charges and multipoles, in A: sigma if the charges are smeared
     */
    PairSum(double sigma, double chargeWidth, ForAtoms forAtoms) : pair(sigma), chargePair(chargeWidth), forAtoms(forAtoms) {
    }
    bool containsOwnAtoms() const override {
        return false;
    }
    void potentialAtAtoms(const std::vector<Multipole>& sources, std::vector<Derivatives>& result) override;
    void potentialOfCharges(std::vector<Derivatives>& result) override;
    void gradientAtCharges(const std::vector<Multipole>& sources, std::vector<OpenMM::Vec3>& result) override;
    void potentialAtPoints(const std::vector<OpenMM::Vec3>& points, const std::vector<Multipole>& sources, std::vector<double>& result) override;

private:
    const PairPotential pair, chargePair;
    const ForAtoms forAtoms;
};

} // namespace PolarMPPlugin
