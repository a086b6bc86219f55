#include "BlockTable.h"
#include <algorithm>
#include <numeric>

using namespace PolarMPPlugin;
using namespace std;

namespace {
// Atoms are distributed among this many neighbouring blocks at a time.
const int BLOCKS_TOGETHER = 8;
// Neighbours are sorted by distance into this many shells, equally spaced in the square of the distance.
const int SHELLS = 32;
} // namespace

void BlockTable::build(const PairList& pairs, const vector<int>& kindOfParticle) {
    kindOfSite.resize(pairs.getNumSites());
    pairs.share(pairs.getNumSites(), [&](long first, long last, int) {
        for (long site = first; site < last; site++)
            kindOfSite[site] = kindOfParticle[pairs.getParticle(pairs.getAtom(site))];
    });
    fillLanes(pairs, kindOfParticle);
    const int numBlocks = getNumBlocks();
    // First the number of vectors of each block, then where they begin, then the neighbours.
    firstVector.assign(numBlocks * (numKinds + 1), 0);
    pairs.share(numBlocks, [&](long first, long last, int) {
        for (long block = first; block < last; block++)
            countVectors(pairs, block);
    });
    int total = 0;
    maxVectors = 0;
    for (int block = 0; block < numBlocks; block++) {
        int* starts = &firstVector[block * (numKinds + 1)];
        starts[0] = total;
        for (int kind = 1; kind <= numKinds; kind++)
            starts[kind] += starts[kind - 1];
        maxVectors = max(maxVectors, starts[numKinds] - total);
        total = starts[numKinds];
    }
    neighbors.resize((size_t) total * lanes);
    pairs.share(numBlocks, [&](long first, long last, int) {
        vector<int> next;
        for (long block = first; block < last; block++)
            placeNeighbors(pairs, block, next);
    });
}

/**
 * Atoms of the same kind with similar numbers of neighbours share a block, so that few lanes are empty; they come from a small
 * region, so that they have common neighbours.
 */
void BlockTable::fillLanes(const PairList& pairs, const vector<int>& kindOfParticle) {
    const int n = pairs.getNumAtoms(), numBlocks = (n + lanes - 1) / lanes;
    atoms.assign(numBlocks * lanes, -1);
    iota(atoms.begin(), atoms.begin() + n, 0);
    auto before = [&](int a, int b) {
        const int kindA = kindOfParticle[pairs.getParticle(a)], kindB = kindOfParticle[pairs.getParticle(b)];
        const long countA = pairs.endNeighbors(a) - pairs.beginNeighbors(a), countB = pairs.endNeighbors(b) - pairs.beginNeighbors(b);
        return make_pair(kindA, countA) < make_pair(kindB, countB);
    };
    for (int first = 0; first < n; first += BLOCKS_TOGETHER * lanes)
        stable_sort(atoms.begin() + first, atoms.begin() + min(n, first + BLOCKS_TOGETHER * lanes), before);
    particles.clear();
    kinds.clear();
    sites.clear();
    for (int atom : atoms) {
        particles.push_back(atom < 0 ? -1 : pairs.getParticle(atom));
        kinds.push_back(atom < 0 ? 0 : kindOfParticle[particles.back()]);
        sites.push_back(atom < 0 ? pairs.getNumSites() + 1 : pairs.getSite(atom));
    }
}

/** For each kind the largest number of neighbours of an atom in the block. */
void BlockTable::countVectors(const PairList& pairs, int block) {
    int* largest = &firstVector[block * (numKinds + 1) + 1];
    vector<int> counts(numKinds);
    for (int lane = 0; lane < lanes; lane++) {
        const int atom = atoms[block * lanes + lane];
        if (atom < 0)
            continue;
        fill(counts.begin(), counts.end(), 0);
        for (const int* site = pairs.beginNeighbors(atom); site < pairs.endNeighbors(atom); site++)
            counts[kindOfSite[*site]]++;
        for (int kind = 0; kind < numKinds; kind++)
            largest[kind] = max(largest[kind], counts[kind]);
    }
}

/** Sorted by kind, the nearest first: neighbours between cutoff and cutoff + skin are last, so that whole vectors of them are skipped. */
void BlockTable::placeNeighbors(const PairList& pairs, int block, vector<int>& next) {
    const int* starts = getFirstVector(block);
    fill(&neighbors[0] + (size_t) starts[0] * lanes, &neighbors[0] + (size_t) starts[numKinds] * lanes, pairs.getNumSites());
    const double shellsPerSquare = SHELLS / (pairs.getRange() * pairs.getRange());
    vector<int> place;
    for (int lane = 0; lane < lanes; lane++) {
        const int atom = atoms[block * lanes + lane];
        if (atom < 0)
            continue;
        const int *begin = pairs.beginNeighbors(atom), *end = pairs.endNeighbors(atom);
        const double* center = pairs.getPosition(pairs.getSite(atom));
        next.assign(numKinds * SHELLS + 1, 0);
        place.clear();
        for (const int* site = begin; site < end; site++) {
            const double* r = pairs.getPosition(*site);
            const double dx = r[0] - center[0], dy = r[1] - center[1], dz = r[2] - center[2];
            const int shell = min(SHELLS - 1, (int) ((dx * dx + dy * dy + dz * dz) * shellsPerSquare));
            place.push_back(kindOfSite[*site] * SHELLS + shell);
            next[place.back() + 1]++;
        }
        for (int kind = 0; kind < numKinds; kind++) {
            int* ofKind = &next[kind * SHELLS];
            ofKind[0] = starts[kind];
            for (int shell = 1; shell < SHELLS; shell++)
                ofKind[shell] += ofKind[shell - 1];
        }
        for (const int* site = begin; site < end; site++)
            neighbors[(size_t) next[place[site - begin]]++ * lanes + lane] = *site;
    }
}
