#pragma once
#include "PairList.h"
#include <vector>

namespace PolarMPPlugin {

/**
 * Atoms in blocks of as many as a vector has lanes, and their neighbours in the layout of vectors: the k-th neighbours of all
 * lanes side by side, the neighbours of each kind separately.
 */
class BlockTable {
public:
    BlockTable(int lanes, int numKinds) : lanes(lanes), numKinds(numKinds) {
    }
    void build(const PairList& pairs, const std::vector<int>& kindOfParticle);

    int getNumBlocks() const {
        return atoms.size() / lanes;
    }
    // for each lane of a block
    const int* getAtoms(int block) const {
        return &atoms[block * lanes];
    }
    const int* getParticles(int block) const {
        return &particles[block * lanes];
    }
    const int* getKinds(int block) const {
        return &kinds[block * lanes];
    }
    const int* getSites(int block) const {
        return &sites[block * lanes];
    }
    /** Where each kind's vectors begin in the table, and where the last ones end. */
    const int* getFirstVector(int block) const {
        return &firstVector[block * (numKinds + 1)];
    }
    const int* getNeighbors() const {
        return neighbors.data();
    }
    /** The number of vectors of all blocks. */
    int getNumVectors() const {
        return neighbors.size() / lanes;
    }
    /** The largest number of vectors that a block has. */
    int getMaxVectors() const {
        return maxVectors;
    }

private:
    void fillLanes(const PairList& pairs, const std::vector<int>& kindOfParticle);
    void countVectors(const PairList& pairs, int block);
    void placeNeighbors(const PairList& pairs, int block, std::vector<int>& next);

    const int lanes, numKinds;
    int maxVectors = 0;
    std::vector<int> atoms, particles, kinds, sites, firstVector, neighbors, kindOfSite;
};

} // namespace PolarMPPlugin
