#include "BlockTable.h"
#include <algorithm>
#include <numeric>

using namespace PolarMPPlugin;
using namespace std;

namespace {
// Blocks are chosen among so many blocks' atoms, which are near each other.
const int BLOCKS_TOGETHER = 8;
} // namespace

void BlockTable::build(const PairList& pairs, const vector<int>& kindOfParticle) {
    fillLanes(pairs, kindOfParticle);
    const int numBlocks = getNumBlocks();
    // How many vectors each block needs, then where they begin, then the neighbours.
    firstVector.assign(numBlocks * (numKinds + 1), 0);
    vector<vector<Neighbor>> sorted(lanes * numBlocks);
    pairs.share(numBlocks, [&](long first, long last, int) {
        for (long block = first; block < last; block++)
            for (int lane = 0; lane < lanes; lane++) {
                const int place = block * lanes + lane;
                if (atoms[place] < 0)
                    continue;
                sortNeighbors(pairs, kindOfParticle, atoms[place], sorted[place]);
                vector<int> counts(numKinds);
                for (const Neighbor& neighbor : sorted[place])
                    counts[neighbor.kind]++;
                for (int kind = 0; kind < numKinds; kind++)
                    firstVector[block * (numKinds + 1) + kind + 1] = max(firstVector[block * (numKinds + 1) + kind + 1], counts[kind]);
            }
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
        for (long block = first; block < last; block++) {
            const int* starts = getFirstVector(block);
            fill(&neighbors[0] + (size_t) starts[0] * lanes, &neighbors[0] + (size_t) starts[numKinds] * lanes, pairs.getNumSites());
            for (int lane = 0; lane < lanes; lane++) {
                vector<int> next(starts, starts + numKinds);
                for (const Neighbor& neighbor : sorted[block * lanes + lane])
                    neighbors[(size_t) next[neighbor.kind]++ * lanes + lane] = neighbor.site;
            }
        }
    });
}

/**
 * Atoms of one kind and with as many neighbours as each other share a block, so that few lanes are empty; they are taken from
 * a small region, so that they see the same neighbours.
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

/** By kind, and the nearest first: what lies between cutoff and skin then comes last, and can be left out together. */
void BlockTable::sortNeighbors(const PairList& pairs, const vector<int>& kindOfParticle, int atom, vector<Neighbor>& sorted) const {
    const double* own = pairs.getPosition(pairs.getSite(atom));
    for (const int* site = pairs.beginNeighbors(atom); site < pairs.endNeighbors(atom); site++) {
        const double* r = pairs.getPosition(*site);
        const double dx = r[0] - own[0], dy = r[1] - own[1], dz = r[2] - own[2];
        sorted.push_back({kindOfParticle[pairs.getParticle(pairs.getAtom(*site))], *site, dx * dx + dy * dy + dz * dz});
    }
    sort(sorted.begin(), sorted.end(), [](const Neighbor& a, const Neighbor& b) {
        return a.kind < b.kind || (a.kind == b.kind && a.square < b.square);
    });
}
