#pragma once
#include "TorchLoops.h"
#include <vector>

namespace PolarMPPlugin {

/** Orders of a set: of the derivatives that its multipoles take, and of those of their potential that are computed. */
struct SetOrders {
    int source, potential;
};

/**
 * Derivatives of the potential that the multipoles of clusters make at each other's atoms, to any order, for several sets of
 * multipoles at the same atoms. Components are in the order of openmm_polarmp.electrostatics._multi_index.
 */
class ClusterPotentials {
public:
    ClusterPotentials(double sigma, const std::vector<SetOrders>& orders);
    /** Sources [component][atom] of all sets, one after the other; so are the potentials, which are added to. */
    void add(const ClusterAtoms& atoms, const double* sources, double* potentials);
    int numSources() const;
    int numPotentials() const;

private:
    struct Tables {
        std::vector<int> places;
        std::vector<double> sourceSigns, potentialSigns;
    };
    std::vector<PairStep> steps;
    std::vector<Tables> tables;
    std::vector<PairSet> sets;
    std::vector<double> memory;
    PairPlan plan;
};

} // namespace PolarMPPlugin
