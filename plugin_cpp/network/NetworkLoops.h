#pragma once
#include "NetworkArrays.h"
#include "NetworkPlan.h"
#include <cstddef>

namespace PolarMPPlugin {

/**
 * As many atoms as a vector has lanes: the network is evaluated for all of them at once, so that every operation is one on
 * whole vectors, whatever the number of channels.
 */
template <class Real>
struct AtomBlock {
    // of each lane
    const int* atoms;      // as in PairList; -1: nothing is there
    const int* particles;  // the same
    const int* kinds;
    const int* sites;
    // neighbours, by their kinds: those of kind s in the vectors firstVector[s] ... firstVector[s + 1]
    const int* firstVector;
    const int* neighbors;  // [vector][lane]: sites; PairList's site that is far from everything where a lane has no more
    Real* kept;            // what the backward pass needs
};

/** The sites that one thread sees, begin ... end. */
struct SiteWindow {
    int begin, end;
};

/** What all blocks look at. */
template <class Real>
struct SharedArrays {
    const double* positions;  // of the sites, 4 numbers each
    const int* atomOf;        // of the sites
    int numSites, numAtoms;
    int maxNeighbors;         // of one atom, at most
    const int *firstSite, *sites;  // of each atom with its images: sites[firstSite[atom]] ... sites[firstSite[atom + 1]]
    Real* sent[3];            // by the atoms to each layer: [atom][Messages::rowSize]; there is one row of zeros more
    // Gradients by what was sent to a layer, in one array of each thread: [site][rowSize]. A thread fills the sites of its window.
    int numThreads;
    Real* const* bySent[3];
    const SiteWindow* windows;
};

/** A thread's own memory. */
template <class Real>
struct Workspace {
    Real* scratch;
    Real* bySites;              // gradient by the positions of sites, 4 numbers each
    int thread;
    double energy;              // eV, of the last block
    int overlap[2] = {-1, -1};  // an atom and a site at the same place
};

/** The network's passes for a block, compiled several times for different instruction sets and chosen once at run time. */
template <class Real>
struct NetworkLoops {
    int lanes;
    /** Numbers of memory that a thread needs, and that are kept of a block. */
    size_t (*scratchSize)(const NetworkPlan<Real>&, int maxNeighbors);
    size_t (*keptSize)(const NetworkPlan<Real>&);
    /** One layer; with the last one also the heads. */
    void (*forward)(const NetworkPlan<Real>&, int layer, const AtomBlock<Real>&, const SharedArrays<Real>&, Workspace<Real>&, const Outputs&);
    /** One layer, from the last to the first; the heads with the last one. */
    void (*backward)(const NetworkPlan<Real>&, int layer, const AtomBlock<Real>&, const SharedArrays<Real>&, Workspace<Real>&, const Cotangents&);
};

/** The fastest version that this processor can run. */
template <class Real>
const NetworkLoops<Real>& networkLoops();

} // namespace PolarMPPlugin
