#pragma once
#include "OneShotResponse.h"
#include "openmm_polarmp/internal/ChargeGroups.h"

namespace PolarMPPlugin {

struct Atoms;

/**
 * Given total charges of groups of atoms, or a given Fermi level, in the response of charges (theory.md section 9): the level of a
 * group is added to the potential that induces its charges.
 */
class ChargeConstraint {
public:
    explicit ChargeConstraint(ChargeGroups groups);
    /** Sums of the present moments. Throws an exception where a group without softness lacks charge. */
    void setAtoms(const Atoms& atoms);
    /** Sets the levels with which -softness (potential + level) gives each group the charge that it lacks. */
    void findLevels(const Atoms& atoms, const std::vector<double>& potential);
    /** Subtracts each group's mean, weighted by the softness, so that the charges that it induces sum to zero. */
    void removeMeans(const Atoms& atoms, std::vector<double>& potential) const;
    /** Whether an atom's group has a given charge, which the potential's zero does not change. */
    bool isConstrained(size_t i) const {
        return groups.getGroupOf()[i] >= 0 && !groups.hasFermiLevel();
    }
    double levelAt(size_t i) const {
        const int group = groups.getGroupOf()[i];
        return group < 0 ? 0 : levels[group];
    }
    /** An atom's part of level (permanent charge - given charge). */
    double energyOf(size_t i, double charge) const {
        const int group = groups.getGroupOf()[i];
        return group < 0 ? 0 : levels[group] * (charge - groups.shareOf(group));
    }
    const std::vector<double>& getLevels() const {
        return levels;
    }
    const ChargeGroups& getGroups() const {
        return groups;
    }

private:
    /** sum softness * potential of a group */
    double weightedSum(const Atoms& atoms, int group, const std::vector<double>& potential) const;
    const ChargeGroups groups;
    std::vector<double> levels;             // V
    std::vector<double> softness, lacking;  // of each group
};

} // namespace PolarMPPlugin
