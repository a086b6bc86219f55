#pragma once
#include "DensitySums.h"
#include "Mixing.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// Sums over pairs of what neighbours send, X[lm, n][f] = sum_j Y_lm B_n f_j: for each atom one matrix product of the pair
// functions [lm, n][pairs] with the senders' rows [pairs][f], whose columns are the lanes here. Backwards it is two products.

/** I rows and J vectors of columns of a matrix product, see multiplyRows(). */
template <class Real, int I, int J>
inline void productTile(int depth, const Real* a, long rowStride, long depthStride, const V<Real>* b, long bStride, V<Real>* c, long cStride) {
    V<Real> sums[I][J];
#pragma GCC unroll 8
    for (int i = 0; i < I; i++)
#pragma GCC unroll 3
        for (int j = 0; j < J; j++)
            sums[i][j] = V<Real>{};
    for (int k = 0; k < depth; k++, a += depthStride, b += bStride) {
        V<Real> columns[J];
#pragma GCC unroll 3
        for (int j = 0; j < J; j++)
            columns[j] = b[j];
#pragma GCC unroll 8
        for (int i = 0; i < I; i++)
#pragma GCC unroll 3
            for (int j = 0; j < J; j++)
                sums[i][j] += a[i * rowStride] * columns[j];
    }
#pragma GCC unroll 8
    for (int i = 0; i < I; i++)
#pragma GCC unroll 3
        for (int j = 0; j < J; j++)
            c[i * cStride + j] = sums[i][j];
}

template <class Real, int I>
inline void productRows(int columns, int depth, const Real* a, long rowStride, long depthStride, const V<Real>* b, long bStride, V<Real>* c,
                        long cStride) {
    int j = 0;
    for (; j + 3 <= columns; j += 3)
        productTile<Real, I, 3>(depth, a, rowStride, depthStride, b + j, bStride, c + j, cStride);
    if (columns - j == 2)
        productTile<Real, I, 2>(depth, a, rowStride, depthStride, b + j, bStride, c + j, cStride);
    else if (columns - j == 1)
        productTile<Real, I, 1>(depth, a, rowStride, depthStride, b + j, bStride, c + j, cStride);
}

/**
 * c[i][j] = sum_k a(i, k) b[k][j], with single numbers a at a[i * rowStride + k * depthStride].
 *
 * @param columns, bStride, cStride  in vectors
 */
template <class Real>
void multiplyRows(int rows, int columns, int depth, const Real* a, long rowStride, long depthStride, const V<Real>* b, long bStride, V<Real>* c,
                  long cStride) {
    constexpr int I = REGISTERS == 32 ? 8 : 4;
    int i = 0;
    for (; i + I <= rows; i += I)
        productRows<Real, I>(columns, depth, a + i * rowStride, rowStride, depthStride, b, bStride, c + i * cStride, cStride);
    if constexpr (I == 8)
        if (i + 4 <= rows) {
            productRows<Real, 4>(columns, depth, a + i * rowStride, rowStride, depthStride, b, bStride, c + i * cStride, cStride);
            i += 4;
        }
    if (i + 2 <= rows) {
        productRows<Real, 2>(columns, depth, a + i * rowStride, rowStride, depthStride, b, bStride, c + i * cStride, cStride);
        i += 2;
    }
    if (i < rows)
        productRows<Real, 1>(columns, depth, a + i * rowStride, rowStride, depthStride, b, bStride, c + i * cStride, cStride);
}

/** The pairs of one atom within the cutoff. */
template <class Real>
struct AtomPairs {
    int count = 0, vectors;     // vectors: number that contain them, padded with pairs that are far apart
    Real *x, *y, *z;
    int *senders, *sites;

    /** Also prefetches the rows that the senders have sent. */
    AtomPairs(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, int lane, V<Real>* memory) {
        const Real* sent = shared.sent[layer];
        const int rowSize = plan.messages[layer].rowSize;
        const long capacity = (shared.maxNeighbors / LANES<Real> + 1) * LANES<Real>;
        x = (Real*) memory;
        y = x + capacity;
        z = y + capacity;
        senders = (int*) (z + capacity);
        sites = (int*) (z + 2 * capacity);
        const double *center = shared.positions + 4 * (long) block.sites[lane], limit = (double) plan.cutoff * plan.cutoff;
        for (int vector = block.firstVector[0]; vector < block.firstVector[plan.numKinds]; vector++) {
            const int site = block.neighbors[(long) vector * LANES<Real> + lane];
            const double* r = shared.positions + 4 * (long) site;
            const double dx = r[0] - center[0], dy = r[1] - center[1], dz = r[2] - center[2];
            x[count] = dx;
            y[count] = dy;
            z[count] = dz;
            sites[count] = site;
            count += (dx * dx + dy * dy + dz * dz < limit);
        }
        vectors = (count + LANES<Real> - 1) / LANES<Real>;
        for (int k = 0; k < count; k++) {
            senders[k] = shared.atomOf[sites[k]];
            const char* row = (const char*) (sent + senders[k] * (long) rowSize);
            for (size_t byte = 0; byte < rowSize * sizeof(Real); byte += 64)
                __builtin_prefetch(row + byte);
        }
        for (int k = count; k < vectors * LANES<Real>; k++) {
            x[k] = Real(1e15);
            y[k] = z[k] = 0;
            sites[k] = shared.numSites;
            senders[k] = shared.numAtoms;
        }
    }

    Displacements<Real> displacements(int vector) const {
        const V<Real> dx = ((const V<Real>*) x)[vector], dy = ((const V<Real>*) y)[vector], dz = ((const V<Real>*) z)[vector];
        return {dx, dy, dz, dx * dx + dy * dy + dz * dz};
    }
};

/** Y_lm B_n of an atom's pairs, [lm, n][pair]. */
template <class Real, int H, int N>
void productsOfFunctionsOf(const NetworkPlan<Real>& plan, const AtomPairs<Real>& pairs, V<Real>* radial, V<Real>* result) {
    const int numRadial = N > 0 ? N : plan.numRadial;
    V<Real> Y[H], ofPair[2 * (N > 0 ? N : 1)];
    V<Real>*B = N > 0 ? ofPair : radial, *cosines = B + numRadial;
    for (int v = 0; v < pairs.vectors; v++) {
        const PairFunctions<Real> functions(plan, pairs.displacements(v));
        functions.harmonics(H, Y);
        functions.radial(numRadial, B, cosines, B);
        for (int lm = 0; lm < H; lm++)
#pragma GCC unroll 8
            for (int n = 0; n < numRadial; n++)
                result[(lm * numRadial + n) * pairs.vectors + v] = Y[lm] * B[n];
    }
}

/** From the gradient by these products to the gradient by the sites. */
template <class Real, int H, int N>
void productsOfFunctionsBack(const NetworkPlan<Real>& plan, const AtomPairs<Real>& pairs, const V<Real>* byProducts, int ownSite, V<Real>* radial,
                             const Workspace<Real>& workspace) {
    const int numRadial = N > 0 ? N : plan.numRadial;
    V<Real> Y[H], byY[H], ofPair[4 * (N > 0 ? N : 1)], total[3] = {}, gradient[3];
    V<Real>*B = N > 0 ? ofPair : radial, *sines = B + numRadial, *cosines = sines + numRadial, *byB = cosines + numRadial;
    for (int v = 0; v < pairs.vectors; v++) {
        const Displacements<Real> r = pairs.displacements(v);
        const int* sites = pairs.sites + v * LANES<Real>;
        const PairFunctions<Real> functions(plan, r);
        functions.harmonics(H, Y);
        functions.radial(numRadial, sines, cosines, B);
        functionsBack<Real, H>(byProducts + v, pairs.vectors, Y, B, numRadial, byY, byB);
        functions.gradient(plan, H, numRadial, sines, cosines, byY, byB, V<Real>{}, gradient);
        for (int a = 0; a < 3; a++)
            total[a] += gradient[a];
        addToSites<Real>(gradient, 1, sites, workspace.bySites);
        addArms<Real>(gradient, r, sites, workspace);
    }
    for (int a = 0; a < 3; a++)
        for (int k = 0; k < LANES<Real>; k++)
            workspace.bySites[4 * (long) ownSite + a] -= total[a][k];
}

template <class Real>
void productsOfFunctions(const NetworkPlan<Real>& plan, const AtomPairs<Real>& pairs, V<Real>* radial, V<Real>* result) {
    POLARMP_FOR_FUNCTIONS(productsOfFunctionsOf, plan, pairs, radial, result);
}

template <class Real>
void copySenders(const AtomPairs<Real>& pairs, const Real* sent, int rowVectors, V<Real>* senders) {
    for (int k = 0; k < pairs.vectors * LANES<Real>; k++)
        for (int v = 0; v < rowVectors; v++)
            senders[k * rowVectors + v] = ((const V<Real>*) sent)[pairs.senders[k] * (long) rowVectors + v];
}

/** Transposes rows [lane][row], `stride` vectors apart, to vectors with the atoms in the lanes; lanesToRows() does the reverse. */
template <class Real>
void rowsToLanes(const V<Real>* rows, long stride, int rowVectors, V<Real>* lanes) {
    for (int v = 0; v < rowVectors; v++) {
        V<Real> square[LANES<Real>];
        for (int k = 0; k < LANES<Real>; k++)
            square[k] = rows[k * stride + v];
        transpose<Real>(square);
        for (int k = 0; k < LANES<Real>; k++)
            lanes[v * LANES<Real> + k] = square[k];
    }
}
template <class Real>
void lanesToRows(const V<Real>* lanes, V<Real>* rows, long stride, int rowVectors) {
    for (int v = 0; v < rowVectors; v++) {
        V<Real> square[LANES<Real>];
        for (int k = 0; k < LANES<Real>; k++)
            square[k] = lanes[v * LANES<Real> + k];
        transpose<Real>(square);
        for (int k = 0; k < LANES<Real>; k++)
            rows[k * stride + v] = square[k];
    }
}

/** Sums of a block, [part][lm][n][channel], with the atoms in the lanes. */
template <class Real>
void messageSums(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared, Scratch<Real>& scratch,
                 V<Real>* sums) {
    const Messages<Real>& m = plan.messages[layer];
    const int rowVectors = m.rowSize / LANES<Real>, terms = plan.harmonics * plan.numRadial;
    const long stride = (long) terms * rowVectors;
    for (int lane = 0; lane < LANES<Real>; lane++) {
        const AtomPairs<Real> pairs(plan, layer, block, shared, lane, scratch.pairs);
        productsOfFunctions(plan, pairs, scratch.radial, scratch.functions);
        copySenders(pairs, shared.sent[layer], rowVectors, scratch.senders);
        multiplyRows<Real>(terms, rowVectors, pairs.count, (const Real*) scratch.functions, (long) pairs.vectors * LANES<Real>, 1, scratch.senders,
                           rowVectors, scratch.atomSums + lane * stride, rowVectors);
    }
    for (int t = 0; t < terms; t++) {
        rowsToLanes<Real>(scratch.atomSums + t * rowVectors, stride, rowVectors, scratch.sent);
        for (int part = 0; part < m.parts; part++)
            for (int c = 0; c < m.channels; c++)
                sums[(part * terms + t) * m.channels + c] = scratch.sent[part * m.channels + c];
    }
}

/** Adds the gradients by what was sent times the distance from the senders to the receiver. */
template <class Real>
void addSentArms(const AtomPairs<Real>& pairs, const V<Real>* byPair, int rowVectors, const Workspace<Real>& workspace) {
    const Real* displacement[3] = {pairs.x, pairs.y, pairs.z};
    for (int a = 0; a < 3; a++) {
        V<Real>* target = (V<Real>*) workspace.arms[a].bySent;
        for (int k = 0; k < pairs.count; k++)
            for (int v = 0; v < rowVectors; v++)
                target[pairs.sites[k] * (long) rowVectors + v] -= displacement[a][k] * byPair[k * rowVectors + v];
    }
}

/** From the gradient by the sums to the gradients by the sites and by what was sent. */
template <class Real>
void messageSumsBack(const NetworkPlan<Real>& plan, int layer, const AtomBlock<Real>& block, const SharedArrays<Real>& shared,
                     Workspace<Real>& workspace, Scratch<Real>& scratch, const V<Real>* bySums) {
    const Messages<Real>& m = plan.messages[layer];
    const int rowVectors = m.rowSize / LANES<Real>, terms = plan.harmonics * plan.numRadial;
    const long stride = (long) terms * rowVectors;
    for (int t = 0; t < terms; t++) {
        for (int column = m.parts * m.channels; column < m.rowSize; column++)
            scratch.sent[column] = V<Real>{};
        for (int part = 0; part < m.parts; part++)
            for (int c = 0; c < m.channels; c++)
                scratch.sent[part * m.channels + c] = bySums[(part * terms + t) * m.channels + c];
        lanesToRows<Real>(scratch.sent, scratch.atomSums + t * rowVectors, stride, rowVectors);
    }
    V<Real>* target = (V<Real>*) shared.bySent[layer][workspace.thread];
    for (int lane = 0; lane < LANES<Real>; lane++) {
        if (block.atoms[lane] < 0)
            continue;
        const AtomPairs<Real> pairs(plan, layer, block, shared, lane, scratch.pairs);
        if (pairs.count == 0)
            continue;
        const V<Real>* by = scratch.atomSums + lane * stride;
        productsOfFunctions(plan, pairs, scratch.radial, scratch.functions);
        copySenders(pairs, shared.sent[layer], rowVectors, scratch.senders);
        // by what was sent
        multiplyRows<Real>(pairs.count, rowVectors, terms, (const Real*) scratch.functions, 1, (long) pairs.vectors * LANES<Real>, by, rowVectors,
                           scratch.byPair, rowVectors);
        for (int k = 0; k < pairs.count; k++)
            for (int v = 0; v < rowVectors; v++)
                target[pairs.sites[k] * (long) rowVectors + v] += scratch.byPair[k * rowVectors + v];
        if (workspace.arms[0].bySent != nullptr)
            addSentArms(pairs, scratch.byPair, rowVectors, workspace);
        // by the pair functions
        for (int v = 0; v < pairs.vectors; v++)
            for (int w = 0; w < rowVectors; w++) {
                V<Real> square[LANES<Real>];
                for (int k = 0; k < LANES<Real>; k++)
                    square[k] = scratch.senders[(v * LANES<Real> + k) * rowVectors + w];
                transpose<Real>(square);
                for (int k = 0; k < LANES<Real>; k++)
                    scratch.sendersByPair[(w * LANES<Real> + k) * pairs.vectors + v] = square[k];
            }
        multiplyRows<Real>(terms, pairs.vectors, m.parts * m.channels, (const Real*) by, m.rowSize, 1, scratch.sendersByPair, pairs.vectors,
                           scratch.byFunctions, pairs.vectors);
        POLARMP_FOR_FUNCTIONS(productsOfFunctionsBack, plan, pairs, scratch.byFunctions, block.sites[lane], scratch.radial, workspace);
    }
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
