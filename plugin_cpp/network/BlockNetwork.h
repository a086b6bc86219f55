#pragma once
#include "BlockTable.h"
#include "NetworkLoops.h"
#include "NetworkPasses.h"
#include "NetworkPlanBuilder.h"
#include "openmm_polarmp/internal/LargeArray.h"
#include <memory>

namespace PolarMPPlugin {

/**
 * The network on blocks of atoms, with threads and the processor's vectors; ReferenceNetwork shows what is computed.
 *
 * Each thread works on its own blocks and adds gradients by other atoms to its own array; the arrays are then added in the
 * order of the threads. Results are therefore the same for the same number of threads.
 */
template <class Real>
class BlockNetwork : public NetworkPasses {
public:
    BlockNetwork(std::shared_ptr<const NetworkParameters> parameters, const std::vector<int>& kinds, WorkerThreads& threads);
    void forward(const PairList& pairs, bool searched, Outputs& outputs) override;
    void flow(const PairList& pairs, const FlowPotential& from, double* charges, double* energies) override;
    void getPairFlows(const PairList& pairs, PairFlows& flows) const override;
    void backward(const PairList& pairs, const Cotangents& cotangents, double* gradient) override;
    void chargeTransfer(const PairList& pairs, double* gradient, double* transfer) override;

private:
    /** Each thread's gradients by sites and by what was sent. */
    struct Gradients {
        std::vector<UntouchedArray<Real>> bySites, bySent[3];
        std::vector<Real*> bySentPointers[3];
        bool isAllocated = false;
    };
    void arrange(const PairList& pairs);
    SiteWindow windowOf(const PairList& pairs, int firstBlock, int lastBlock) const;
    AtomBlock<Real> blockOf(int block);
    SharedArrays<Real> sharedOf(const PairList& pairs, Gradients& target);
    Workspace<Real> workspaceOf(int thread, Gradients& target);
    void allocate(const PairList& pairs, Gradients& target);
    void clear(const PairList& pairs, Gradients& target, int thread);
    /** Adds to gradients that have been cleared, and, if there are any, to three that are multiplied by the arms. */
    void runBackward(const PairList& pairs, const Cotangents& cotangents, Gradients& target, Gradients* arms);
    /** Sums the threads' gradients by sites: result[stride * particle + a]. */
    void sumGradients(const PairList& pairs, const Gradients& target, double* result, int stride) const;
    bool exchanges() const {
        return plan.edges.transfers || plan.edges.conducts;
    }
    void arrangeEdges(const PairList& pairs);
    /** Values of the particles in the order of the atoms. */
    void toAtoms(const PairList& pairs, const double* values, LargeArray<Real>& target) const;

    const std::shared_ptr<const NetworkParameters> parameters;
    const std::vector<int> kinds;
    WorkerThreads& threads;
    const NetworkLoops<Real>& loops;
    const NetworkPlanBuilder<Real> builder;
    const NetworkPlan<Real>& plan;
    BlockTable table;
    const size_t keptSize;
    LargeArray<Real> kept, sent[3];
    std::vector<int> rowOf;
    LargeArray<Real> edgeRows, edgeSoftness, transfers, conductances, potential, byCharges;  // of SharedArrays
    // for each thread
    std::vector<LargeArray<Real>> scratch;
    std::vector<SiteWindow> windows;
    Gradients gradients, armGradients[3];
    std::vector<double> energies;  // for each block
};

} // namespace PolarMPPlugin
