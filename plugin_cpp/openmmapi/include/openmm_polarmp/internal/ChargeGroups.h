#pragma once
#include "openmm_polarmp/PolarMPForce.h"
#include <vector>

namespace PolarMPPlugin {

/**
 * The groups of a force's particles with a given total charge (theory.md section 9). A given Fermi level makes all particles one
 * group whose charge is free.
 */
class ChargeGroups {
public:
    /** A charge that a group may lack without softness, e: above the rounding of charges in single precision. */
    static constexpr double NEGLIGIBLE = 1e-4;
    ChargeGroups(const PolarMPForce& force, int numParticles);
    int size() const {
        return members.size();
    }
    bool hasFermiLevel() const {
        return isLevelGiven;
    }
    /** V, if it is given. */
    double getFermiLevel() const {
        return fermiLevel;
    }
    /** The group of each of the force's particles, -1 for none. */
    const std::vector<int>& getGroupOf() const {
        return groupOf;
    }
    /** The particles of each group, by their number in the force. */
    const std::vector<std::vector<int>>& getMembers() const {
        return members;
    }
    /** The given charge of each group, e; zero with a Fermi level. */
    const std::vector<double>& getCharges() const {
        return charges;
    }
    /** A particle's share of what is given to its group, so that the energy is a sum over atoms. */
    double shareOf(int group) const {
        return charges[group] / members[group].size();
    }
    /** What charges sum to when the groups have theirs, e. */
    double totalCharge(const std::vector<double>& permanent) const;
    /**
     * Throws an OpenMMException if softness of this sum cannot take up the charge that a group lacks.
     *
     * @param lacking  given charge less the permanent one, e
     */
    void check(int group, double softness, double lacking) const;

private:
    bool isLevelGiven;
    double fermiLevel;
    std::vector<int> groupOf;
    std::vector<std::vector<int>> members;
    std::vector<double> charges;
};

} // namespace PolarMPPlugin
