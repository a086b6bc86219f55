#pragma once
#include "Memory.h"
#include "PairFunctions.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// Sums over pairs in the first layer, X[kind][lm][n] = sum_j Y_lm B_n over the neighbours of each kind. The lanes are the
// receivers, each with its k-th neighbour of that kind. Pair functions are not stored beyond their use in the sums.

/** Positions of the receivers, 4 numbers each. */
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
    const int whole = numRadial / N * N;
    for (int n = 0; n < whole; n += N)
        sumTile<Real, H, N>(pairs, Y, numHarmonics, B + n, numRadial, sums + n);
    for (int n = whole; n < numRadial; n++)
        sumTile<Real, H, 1>(pairs, Y, numHarmonics, B + n, numRadial, sums + n);
}

/** Adds some pairs to the sums of all H harmonics. */
template <class Real, int H>
void sumPairs(int pairs, const V<Real>* Y, const V<Real>* B, int numRadial, V<Real>* sums) {
    constexpr int TOGETHER = H % 3 == 0 ? 3 : 2;
    for (int h = 0; h < H; h += TOGETHER)
        sumHarmonics<Real, TOGETHER>(pairs, Y + h, H, B, numRadial, sums + h * numRadial);
}

template <class Real>
void reportOverlap(const AtomBlock<Real>& block, const int* neighbors, const Displacements<Real>& r, Workspace<Real>& workspace) {
    for (int k = 0; k < LANES<Real>; k++)
        if (r.square[k] < Real(SAME_PLACE)) {
            workspace.overlap[0] = block.atoms[k];
            workspace.overlap[1] = neighbors[k];
        }
}

/**
 * The sums of one block, and the nuclear repulsion's energy of each atom.
 *
 * @tparam H, N     numbers of harmonics and radial functions; N = 0: any number
 * @param radial    memory for PAIR_CHUNK times as many vectors as there are radial functions
 */
template <class Real, int H, int N>
void densitySumsOf(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
                   V<Real>* sums, V<Real>* radial, V<Real>& repulsionEnergy) {
    const Receivers<Real> receivers(block, shared);
    const int numRadial = N > 0 ? N : plan.numRadial;
    const V<Real> limit = all<Real>(plan.cutoff * plan.cutoff), samePlace = all<Real>(SAME_PLACE);
    V<Real> Y[PAIR_CHUNK * H], *B = radial, *cosines = radial + PAIR_CHUNK * numRadial;
    Repulsion<Real> repulsion;
    repulsionEnergy = V<Real>{};
    for (int kind = 0; kind < plan.numKinds; kind++) {
        V<Real>* target = sums + kind * H * numRadial;
        for (int k = 0; k < H * numRadial; k++)
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
            functions.harmonics(H, Y + pairs * H);
            V<Real>* ofPair = B + pairs * numRadial;
            functions.radial(numRadial, ofPair, cosines, ofPair);
            if (plan.repulsion && repulsion.actsOn(r)) {
                V<Real> energy, slope;
                repulsion.evaluate(r, energy, slope);
                repulsionEnergy += energy;
            }
            if (++pairs == PAIR_CHUNK) {
                sumPairs<Real, H>(pairs, Y, B, numRadial, target);
                pairs = 0;
            }
        }
        sumPairs<Real, H>(pairs, Y, B, numRadial, target);
    }
}

/**
 * Gradients by N radial functions of a pair, and additions to those by its harmonics, from the gradients by their products.
 *
 * @param bySums  [harmonic][radial function], `stride` vectors apart
 */
template <class Real, int H, int N>
inline void someFunctionsBack(const V<Real>* bySums, long stride, const V<Real>* Y, const V<Real>* B, int numRadial, V<Real>* byY, V<Real>* byB) {
    V<Real> by[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; n++)
        by[n] = V<Real>{};
#pragma GCC unroll 9
    for (int h = 0; h < H; h++)
#pragma GCC unroll 8
        for (int n = 0; n < N; n++) {
            const V<Real> g = bySums[(h * numRadial + n) * stride];
            by[n] += g * Y[h];
            byY[h] += g * B[n];
        }
#pragma GCC unroll 8
    for (int n = 0; n < N; n++)
        byB[n] = by[n];
}

/** Gradients by all radial functions and harmonics. */
template <class Real, int H>
inline void functionsBack(const V<Real>* bySums, long stride, const V<Real>* Y, const V<Real>* B, int numRadial, V<Real>* byY, V<Real>* byB) {
#pragma GCC unroll 9
    for (int h = 0; h < H; h++)
        byY[h] = V<Real>{};
    constexpr int N = REGISTERS == 32 ? 8 : 4;
    const int whole = numRadial / N * N;
    for (int n = 0; n < whole; n += N)
        someFunctionsBack<Real, H, N>(bySums + n * stride, stride, Y, B + n, numRadial, byY, byB + n);
    for (int n = whole; n < numRadial; n++)
        someFunctionsBack<Real, H, 1>(bySums + n * stride, stride, Y, B + n, numRadial, byY, byB + n);
}

/** Adds vectors to the gradients by the positions of sites, or subtracts them. */
template <class Real>
inline void addToSites(const V<Real>* gradient, Real sign, const int* sites, Real* bySites) {
    V<Real> lanes[4];
    rows<Real>(sign * gradient[0], sign * gradient[1], sign * gradient[2], lanes);
    const Four<Real>* row = (const Four<Real>*) lanes;
#pragma GCC unroll 16
    for (int k = 0; k < LANES<Real>; k++)
        *(Four<Real>*) (bySites + 4 * (long) sites[k]) += row[k];
}

/** Adds the senders' gradients times the distance to their receivers, where that is wanted. */
template <class Real>
inline void addArms(const V<Real>* gradient, const Displacements<Real>& r, const int* sites, const Workspace<Real>& workspace) {
    if (workspace.arms[0].bySites == nullptr)
        return;
    const V<Real> displacement[3] = {r.x, r.y, r.z};
    for (int a = 0; a < 3; a++) {
        const V<Real> scaled[3] = {displacement[a] * gradient[0], displacement[a] * gradient[1], displacement[a] * gradient[2]};
        addToSites<Real>(scaled, -1, sites, workspace.arms[a].bySites);
    }
}

/** Adds to the gradient by the sites; `byEnergy` is the derivative by the atoms' energies. */
template <class Real, int H, int N>
void densitySumsBackOf(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
                       const V<Real>* bySums, Real byEnergy, V<Real>* radial) {
    const Receivers<Real> receivers(block, shared);
    const int numRadial = N > 0 ? N : plan.numRadial;
    const V<Real> limit = all<Real>(plan.cutoff * plan.cutoff);
    V<Real> ofPair[4 * (N > 0 ? N : 1)];
    V<Real>*B = N > 0 ? ofPair : radial, *sines = B + numRadial, *cosines = sines + numRadial, *byB = cosines + numRadial;
    V<Real> total[3] = {};
    Repulsion<Real> repulsion;
    for (int kind = 0; kind < plan.numKinds; kind++) {
        const V<Real>* byKind = bySums + kind * H * numRadial;
        if (plan.repulsion)
            repulsion.prepare(plan, block.kinds, kind);
        for (int vector = block.firstVector[kind]; vector < block.firstVector[kind + 1]; vector++) {
            Displacements<Real> r;
            const int* neighbors = block.neighbors + (long) vector * LANES<Real>;
            r.load(shared.positions, receivers.positions, neighbors);
            if (!anyLess<Real>(r.square, limit))
                continue;
            const PairFunctions<Real> functions(plan, r);
            V<Real> Y[H], byY[H];
            functions.harmonics(H, Y);
            functions.radial(numRadial, sines, cosines, B);
            functionsBack<Real, H>(byKind, 1, Y, B, numRadial, byY, byB);
            V<Real> slope = V<Real>{}, gradient[3];
            if (plan.repulsion && repulsion.actsOn(r)) {
                V<Real> energy;
                repulsion.evaluate(r, energy, slope);
                slope *= byEnergy;
            }
            functions.gradient(plan, H, numRadial, sines, cosines, byY, byB, slope, gradient);
            for (int a = 0; a < 3; a++)
                total[a] += gradient[a];
            addToSites<Real>(gradient, 1, neighbors, workspace.bySites);
            addArms<Real>(gradient, r, neighbors, workspace);
        }
    }
    addToSites<Real>(total, -1, block.sites, workspace.bySites);
}

/** Calls a function with the numbers of harmonics and radial functions as constants; of the latter only the usual 8. */
#define POLARMP_FOR_FUNCTIONS(FUNCTION, ...) \
    (plan.harmonics == 9 ? (plan.numRadial == 8 ? FUNCTION<Real, 9, 8>(__VA_ARGS__) : FUNCTION<Real, 9, 0>(__VA_ARGS__)) \
                         : (plan.numRadial == 8 ? FUNCTION<Real, 4, 8>(__VA_ARGS__) : FUNCTION<Real, 4, 0>(__VA_ARGS__)))

template <class Real>
void densitySums(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
                 V<Real>* sums, V<Real>* radial, V<Real>& repulsionEnergy) {
    POLARMP_FOR_FUNCTIONS(densitySumsOf, plan, block, shared, workspace, sums, radial, repulsionEnergy);
}

template <class Real>
void densitySumsBack(const NetworkPlan<Real>& plan, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Workspace<Real>& workspace,
                     const V<Real>* bySums, Real byEnergy, V<Real>* radial) {
    POLARMP_FOR_FUNCTIONS(densitySumsBackOf, plan, block, shared, workspace, bySums, byEnergy, radial);
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
