#pragma once
#include "NetworkPlan.h"
#include "openmm_polarmp/NetworkSource.h"
#include <deque>
#include <vector>

namespace PolarMPPlugin {

/** Creates the plan from a network's parameters, and owns its arrays. */
template <class Real>
class NetworkPlanBuilder {
public:
    /** @param lanes  of the vectors in which it will be evaluated */
    NetworkPlanBuilder(const NetworkParameters& parameters, int lanes);
    NetworkPlanBuilder(const NetworkPlanBuilder&) = delete;
    const NetworkPlan<Real>& getPlan() const {
        return plan;
    }

private:
    using Term = BilinearTerm<Real>;
    const Real* keep(const std::vector<double>& values);
    /** A weight [inputs, outputs] or, from a torch.nn.Linear, [outputs, inputs]. */
    void addDegree(Mixing<Real>& mixing, int l, const std::string& name, int inputs, int outputs, bool linear = false);
    Mixing<Real> mixing(const std::string& name, const std::vector<int>& inputs, int outputs);
    Mixing<Real> linear(const std::string& name, int inputs, int outputs);
    BilinearMap<Real> map(int outputs, const std::vector<std::pair<int, Term>>& terms);
    void addDensity();
    void addProducts(int layer);
    void addCoupling(Products<Real>& products, int layer, int index);
    void addLastPaths(const SparseCoupling& coupling);
    void addMessages(int layer, int lanes);
    void addHeads();
    void addEdges(int lanes);
    void checkHarmonics() const;

    const NetworkParameters& p;
    NetworkPlan<Real> plan = {};
    std::deque<std::vector<Real>> arrays;
    std::deque<std::vector<int>> indices;
    std::deque<std::vector<Term>> terms;
    std::vector<CouplingPath<Real>> lastPaths;
    std::vector<double> energyScale, energyShift, formalCharges, electronegativities;
};

} // namespace PolarMPPlugin
