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
    /**
     * The charge that an atom's motion moves to others, times the distance: sum_j (r_j - r_i)_a dq_j/dr_i,b for the atoms i. The
     * arm r_j - r_i is the sum of the displacements of the pairs along which the network's messages go from i to j, so that it
     * is unique in a periodic box of any size.
     *
     * @param gradient  [N,3] of the sum of all charges
     * @param transfer  [N,3,3] in e, a: row, b: column
     */
    virtual void chargeTransfer(const PairList& pairs, double* gradient, double* transfer) = 0;
};

} // namespace PolarMPPlugin
