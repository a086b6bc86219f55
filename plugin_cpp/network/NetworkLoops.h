#pragma once
#include "NetworkArrays.h"
#include "NetworkPlan.h"
#include <cstddef>

namespace PolarMPPlugin {

/**
 * As many atoms as a vector has lanes. The network is evaluated for all of them at once, so that operations act on whole
 * vectors for any number of channels.
 */
template <class Real>
struct AtomBlock {
    // for each lane
    const int* atoms;      // as in PairList; -1 in an empty lane
    const int* particles;  // also
    const int* kinds;
    const int* sites;
    // neighbours sorted by kind: those of kind s in the vectors firstVector[s] ... firstVector[s + 1]
    const int* firstVector;
    const int* neighbors;  // [vector][lane]: sites, or PairList's padding site where a lane has no more neighbours
    Real* kept;            // saved for the backward pass
};

/** The range of sites that one thread uses, [begin, end). */
struct SiteWindow {
    int begin, end;
};

/** Arrays that all blocks use. */
template <class Real>
struct SharedArrays {
    const double* positions;  // of the sites, 4 numbers each
    const int* atomOf;        // of the sites
    int numSites, numAtoms;
    int maxNeighbors;         // of one atom
    const int *firstSite, *sites;  // an atom and its images: sites[firstSite[atom]] ... sites[firstSite[atom + 1]]
    Real* sent[3];            // for each layer, what the atoms send to it: [atom][Messages::rowSize], and one row of zeros
    // for each layer and thread, gradients by what was sent: [site][rowSize], of the sites in the thread's window
    int numThreads;
    Real* const* bySent[3];
    const SiteWindow* windows;
    // of networks whose neighbours exchange charge
    const int* rowOf;    // the row of each site in arrays of the atoms; padding sites have one of zeros
    Real *edgeRows, *edgeSoftness;       // the atoms' numbers that pairs use: [atom][EdgePlan::rowSize], [atom]
    Real *transfers, *conductances;      // of the pairs, [vector][lane]
    const Real *potential, *byCharges;   // of the atoms: Phi', and the gradient by their charges
};

/** Gradients of the same layout as SharedArrays::bySent and Workspace::bySites, of one thread. */
template <class Real>
struct ArmGradients {
    Real *bySites = nullptr, *bySent = nullptr;
};

/** One thread's memory. */
template <class Real>
struct Workspace {
    Real* scratch;
    Real* bySites;              // gradient by the positions of sites, 4 numbers each
    int thread;
    double energy;              // eV, of the last block
    int overlap[2] = {-1, -1};  // an atom and a site at the same position, or -1
    // For each direction: receives each sender's gradient times the component of receiver - sender. Null: not wanted.
    ArmGradients<Real> arms[3];
};

/** The network's passes for a block, compiled for several instruction sets and chosen once at run time. */
template <class Real>
struct NetworkLoops {
    int lanes;
    /** Size of a thread's scratch memory and of what is saved for a block, in numbers. */
    size_t (*scratchSize)(const NetworkPlan<Real>&, int maxNeighbors);
    size_t (*keptSize)(const NetworkPlan<Real>&);
    /** One layer, with the last one also the heads. */
    void (*forward)(const NetworkPlan<Real>&, int layer, const AtomBlock<Real>&, const SharedArrays<Real>&, Workspace<Real>&, const Outputs&);
    /** After the last layer of all blocks: what neighbours have exchanged. */
    void (*exchange)(const NetworkPlan<Real>&, const AtomBlock<Real>&, const SharedArrays<Real>&, const Workspace<Real>&, const Outputs&);
    /** What flows between neighbours: charges and energies of the particles. */
    void (*flow)(const NetworkPlan<Real>&, const AtomBlock<Real>&, const SharedArrays<Real>&, const FlowPotential&, double* charges,
                 double* energies);
    /** One layer, with the last one also the heads; called from the last layer to the first. */
    void (*backward)(const NetworkPlan<Real>&, int layer, const AtomBlock<Real>&, const SharedArrays<Real>&, Workspace<Real>&, const Cotangents&);
};

/** The version for the chosen instruction set. */
template <class Real>
const NetworkLoops<Real>& networkLoops();

} // namespace PolarMPPlugin
