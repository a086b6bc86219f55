#pragma once
#include "Memory.h"
#include "PairFunctions.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// Sums over pairs of the first layer, X[kind][lm][n] = sum_j Y_lm B_n over the neighbours of each kind. The lanes are the
// receivers, each of which looks at its k-th neighbour of that kind: functions of pairs are computed, used and forgotten.

/** Receivers' positions, 4 numbers each. */
template <class Real>
struct Receivers {
    alignas(64) double positions[4 * LANES<Real>];

    Receivers(const AtomBlock<Real>& block, const SharedArrays<Real>& shared) {
        for (int k = 0; k < LANES<Real>; k++)
            for (int a = 0; a < 4; a++)
                positions[4 * k + a] = shared.positions[4 * (long) block.sites[k] + a];
    }
};

/** sums[lm][n] += sum_k Y[k][lm] B[k][n] for some harmonics and radial functions. */
template <class Real, int H, int N>
inline void sumTile(int pairs, const V<Real>* Y, int numHarmonics, const V<Real>* B, int numRadial, V<Real>* sums) {
    V<Real> sum[H][N];
#pragma GCC unroll 3
    for (int h = 0; h < H; h++)
#pragma GCC unroll 8
        for (int n = 0; n < N; n++)
            sum[h][n] = sums[h * numRadial + n];
    for (int k = 0; k < pairs; k++, Y += numHarmonics, B += numRadial)
#pragma GCC unroll 3
        for (int h = 0; h < H; h++)
#pragma GCC unroll 8
            for (int n = 0; n < N; n++)
                sum[h][n] += Y[h] * B[n];
#pragma GCC unroll 3
    for (int h = 0; h < H; h++)
#pragma GCC unroll 8
        for (int n = 0; n < N; n++)
            sums[h * numRadial + n] = sum[h][n];
}

template <class Real, int H>
inline void sumHarmonics(int pairs, const V<Real>* Y, int numHarmonics, const V<Real>* B, int numRadial, V<Real>* sums) {
    constexpr int N = REGISTERS == 32 ? 8 : 4;
    int n = 0;
    for (; n + N <= numRadial; n += N)
        sumTile<Real, H, N>(pairs, Y, numHarmonics, B + n, numRadial, sums + n);
    for (; n < numRadial; n++)
        sumTile<Real, H, 1>(pairs, Y, numHarmonics, B + n, numRadial, sums + n);
}

template <class Real>
void sumPairs(int pairs, const V<Real>* Y, int numHarmonics, const V<Real>* B, int numRadial, V<Real>* sums) {
    int h = 0;
    for (; h + 3 <= numHarmonics; h += 3)
        sumHarmonics<Real, 3>(pairs, Y + h, numHarmonics, B, numRadial, sums + h * numRadial);
    for (; h < numHarmonics; h++)
        sumHarmonics<Real, 1>(pairs, Y + h, numHarmonics, B, numRadial, sums + h * numRadial);
}

template <class Real>
void reportOverlap(const AtomBlock<Real>& block, const int* neighbors, const Displacements<Real>& r, Workspace<Real>& workspace) {
    for (int k = 0; k < LANES<Real>; k++)
        if (r.square[k] < Real(SAME_PLACE)) {
            workspace.overlap[0] = block.atoms[k];
            workspace.overlap[1] = neighbors[k];
        }
}

/** The sums of one block, and the nuclear repulsion's energy of each atom. */
template <class Real>
void densitySums(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
                 V<Real>* sums, V<Real>* radial, V<Real>& repulsionEnergy) {
    const Receivers<Real> receivers(block, shared);
    const int numRadial = plan.numRadial, harmonics = plan.harmonics;
    const V<Real> limit = all<Real>(plan.cutoff * plan.cutoff), samePlace = all<Real>(SAME_PLACE);
    V<Real> Y[PAIR_CHUNK * MAX_HARMONICS], *B = radial;
    Repulsion<Real> repulsion;
    repulsionEnergy = V<Real>{};
    for (int kind = 0; kind < plan.numKinds; kind++) {
        V<Real>* target = sums + kind * harmonics * numRadial;
        for (int k = 0; k < harmonics * numRadial; k++)
            target[k] = V<Real>{};
        if (plan.repulsion)
            repulsion.prepare(plan, block.kinds, kind);
        int pairs = 0;
        for (int vector = block.firstVector[kind]; vector < block.firstVector[kind + 1]; vector++) {
            Displacements<Real> r;
            const int* neighbors = block.neighbors + (long) vector * LANES<Real>;
            r.load(shared.positions, receivers.positions, neighbors);
            if (!anyLess<Real>(r.square, limit))
                continue;
            if (anyLess<Real>(r.square, samePlace))
                reportOverlap<Real>(block, neighbors, r, workspace);
            const PairFunctions<Real> functions(plan, r);
            functions.harmonics(harmonics, Y + pairs * harmonics);
            functions.radial(numRadial, B + pairs * numRadial);
            if (plan.repulsion && repulsion.actsOn(r)) {
                V<Real> energy, slope;
                repulsion.evaluate(r, energy, slope);
                repulsionEnergy += energy;
            }
            if (++pairs == PAIR_CHUNK) {
                sumPairs<Real>(pairs, Y, harmonics, B, numRadial, target);
                pairs = 0;
            }
        }
        sumPairs<Real>(pairs, Y, harmonics, B, numRadial, target);
    }
}

/** Gradients by the harmonics and the radial functions of a pair, from those by the sums. */
template <class Real, int N>
inline void sumsBack(const V<Real>* bySums, const V<Real>* Y, int numHarmonics, const V<Real>* B, int numRadial, V<Real>* byY, V<Real>* byB) {
    V<Real> by[N], values[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; n++) {
        by[n] = V<Real>{};
        values[n] = B[n];
    }
    for (int h = 0; h < numHarmonics; h++) {
        V<Real> sum = byY[h];
#pragma GCC unroll 8
        for (int n = 0; n < N; n++) {
            const V<Real> g = bySums[h * numRadial + n];
            by[n] += g * Y[h];
            sum += g * values[n];
        }
        byY[h] = sum;
    }
#pragma GCC unroll 8
    for (int n = 0; n < N; n++)
        byB[n] = by[n];
}

/** Adds vectors to the gradients by the positions of sites, or takes them away. */
template <class Real>
inline void addToSites(const V<Real>* gradient, Real sign, const int* sites, Real* bySites) {
    typedef Real Four __attribute__((vector_size(4 * sizeof(Real))));
    V<Real> lanes[4];
    rows<Real>(sign * gradient[0], sign * gradient[1], sign * gradient[2], lanes);
    const Four* row = (const Four*) lanes;
#pragma GCC unroll 16
    for (int k = 0; k < LANES<Real>; k++)
        *(Four*) (bySites + 4 * (long) sites[k]) += row[k];
}

/**
 * Adds to the gradient by the sites.
 *
 * @param byEnergy  derivative by the energy
 * @param radial    memory for 2 numRadial vectors
 */
template <class Real>
void densitySumsBack(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
                     const V<Real>* bySums, Real byEnergy, V<Real>* radial) {
    const Receivers<Real> receivers(block, shared);
    const int numRadial = plan.numRadial, harmonics = plan.harmonics;
    const V<Real> limit = all<Real>(plan.cutoff * plan.cutoff);
    V<Real> Y[MAX_HARMONICS], byY[MAX_HARMONICS], *B = radial, *byB = radial + numRadial;
    V<Real> total[3] = {};
    Repulsion<Real> repulsion;
    for (int kind = 0; kind < plan.numKinds; kind++) {
        const V<Real>* byKind = bySums + kind * harmonics * numRadial;
        if (plan.repulsion)
            repulsion.prepare(plan, block.kinds, kind);
        for (int vector = block.firstVector[kind]; vector < block.firstVector[kind + 1]; vector++) {
            Displacements<Real> r;
            const int* neighbors = block.neighbors + (long) vector * LANES<Real>;
            r.load(shared.positions, receivers.positions, neighbors);
            if (!anyLess<Real>(r.square, limit))
                continue;
            const PairFunctions<Real> functions(plan, r);
            functions.harmonics(harmonics, Y);
            functions.radial(numRadial, B);
            for (V<Real>& by : byY)
                by = V<Real>{};
            int n = 0;
            for (; n + 8 <= numRadial; n += 8)
                sumsBack<Real, 8>(byKind + n, Y, harmonics, B + n, numRadial, byY, byB + n);
            for (; n < numRadial; n++)
                sumsBack<Real, 1>(byKind + n, Y, harmonics, B + n, numRadial, byY, byB + n);
            V<Real> slope = V<Real>{}, gradient[3];
            if (plan.repulsion && repulsion.actsOn(r)) {
                V<Real> energy;
                repulsion.evaluate(r, energy, slope);
                slope *= byEnergy;
            }
            functions.gradient(plan, byY, byB, slope, gradient);
            for (int a = 0; a < 3; a++)
                total[a] += gradient[a];
            addToSites<Real>(gradient, 1, neighbors, workspace.bySites);
        }
    }
    addToSites<Real>(total, -1, block.sites, workspace.bySites);
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
