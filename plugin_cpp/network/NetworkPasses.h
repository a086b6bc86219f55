#pragma once
#include "NetworkArrays.h"
#include "PairList.h"
#include "openmm_polarmp/Flows.h"

namespace PolarMPPlugin {

/** Two particles at the same position: thrown by forward(). */
struct Overlap {
    int first, second;
};

/** The network's two passes. Intermediate results of forward() are kept for backward() until the next forward(). */
class NetworkPasses {
public:
    virtual ~NetworkPasses() = default;
    /**
     * @param pairs     of the present positions
     * @param searched  whether the pairs have been searched anew since the last call
     */
    virtual void forward(const PairList& pairs, bool searched, Outputs& outputs) = 0;
    /** What flows between neighbours: charges and energies of SourceBuffers, [N]. */
    virtual void flow(const PairList& pairs, const FlowPotential& from, double* charges, double* energies) = 0;
    /** The pairs of the last forward(), each from both of its atoms with half of its values. */
    virtual void getPairFlows(const PairList& pairs, PairFlows& flows) const = 0;
    /** Gradient [N,3] by the particles' positions. May be called several times. */
    virtual void backward(const PairList& pairs, const Cotangents& cotangents, double* gradient) = 0;
};

} // namespace PolarMPPlugin
