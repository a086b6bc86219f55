#pragma once
#include "ProductLayers.h"
#include "openmm_polarmp/internal/HeadUnits.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// The heads (models/heads.py).

using Units = HeadUnits;

template <class Real>
inline V<Real> sumOfSquares(const V<Real>* values, int count) {
    V<Real> sum = V<Real>{};
    for (int k = 0; k < count; k++)
        sum += values[k] * values[k];
    return sum;
}

/** The factor that leaves no component above LARGEST_RATIO, whose squares would overflow in single precision; 1 as a rule. */
template <class Real>
inline V<Real> shortening(const V<Real>* values, int count) {
    const V<Real> most = all<Real>(Units::LARGEST_RATIO);
    V<Real> largest = most;
    for (int k = 0; k < count; k++) {
        const V<Real> size = values[k] < Real(0) ? -values[k] : values[k];
        largest = size > largest ? size : largest;
    }
    return most / largest;
}

/** Values over their limit, shortened; returns the factor from values to ratios. */
template <class Real>
inline V<Real> ratiosTo(double limit, const V<Real>* values, int count, V<Real>* ratios) {
    for (int k = 0; k < count; k++)
        ratios[k] = values[k] * Real(1 / limit);
    const V<Real> factor = shortening<Real>(ratios, count);
    for (int k = 0; k < count; k++)
        ratios[k] *= factor;
    return factor;
}

/** Shortens values, at most nine, smoothly so that their norm stays below the limit. */
template <class Real>
inline void bound(V<Real>* values, int count, double limit) {
    V<Real> ratios[9];
    ratiosTo<Real>(limit, values, count, ratios);
    const V<Real> factor = Real(limit) / squareRoot<Real>(Real(1) + sumOfSquares<Real>(ratios, count));
    for (int k = 0; k < count; k++)
        values[k] = ratios[k] * factor;
}

/** Replaces the gradient by the bounded values with the gradient by the values. */
template <class Real>
inline void boundBack(const V<Real>* values, int count, double limit, V<Real>* gradient) {
    V<Real> ratios[9], along = V<Real>{};
    const V<Real> shortened = ratiosTo<Real>(limit, values, count, ratios);
    for (int k = 0; k < count; k++)
        along += ratios[k] * gradient[k];
    const V<Real> square = Real(1) / (Real(1) + sumOfSquares<Real>(ratios, count)), factor = shortened * squareRoot<Real>(square);
    for (int k = 0; k < count; k++)
        gradient[k] = factor * (gradient[k] - ratios[k] * along * square);
}

/** Symmetric matrices as xx xy xz yy yz zz. */
constexpr int ROW[6] = {0, 0, 0, 1, 1, 2}, COLUMN[6] = {0, 1, 2, 1, 2, 2};

template <class Real>
inline void toMatrix(const NetworkPlan<Real>& plan, const V<Real>* components, V<Real>* matrix) {
    for (int k = 0; k < 6; k++) {
        matrix[k] = V<Real>{};
        for (int m = 0; m < 5; m++)
            matrix[k] += components[m] * Real(plan.tensors[m][3 * ROW[k] + COLUMN[k]]);
    }
}

/** The transposed map, of the gradient by all nine elements. */
template <class Real>
inline void fromMatrix(const NetworkPlan<Real>& plan, const V<Real>* matrix, V<Real>* components) {
    for (int m = 0; m < 5; m++) {
        components[m] = V<Real>{};
        for (int k = 0; k < 6; k++)
            components[m] += matrix[k] * Real(plan.tensors[m][3 * ROW[k] + COLUMN[k]] * (ROW[k] == COLUMN[k] ? 1 : 2));
    }
}

/** a b + b a for symmetric matrices: twice the symmetric part of the product. */
template <class Real>
inline void symmetricProduct(const V<Real>* a, const V<Real>* b, V<Real>* result) {
    constexpr int AT[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    for (int k = 0; k < 6; k++) {
        result[k] = V<Real>{};
        for (int c = 0; c < 3; c++)
            result[k] += a[AT[ROW[k]][c]] * b[AT[c][COLUMN[k]]] + b[AT[ROW[k]][c]] * a[AT[c][COLUMN[k]]];
    }
}

/** Reads one number of each particle in the lanes; store() writes one. */
template <class Real>
inline V<Real> fetch(const AtomBlock<Real>& block, const double* source, int stride, int offset) {
    V<Real> result = V<Real>{};
    if (source != nullptr)
        for (int k = 0; k < LANES<Real>; k++)
            if (block.particles[k] >= 0)
                result[k] = source[(long) stride * block.particles[k] + offset];
    return result;
}
template <class Real>
inline void store(const AtomBlock<Real>& block, V<Real> values, double* target, int stride, int offset) {
    for (int k = 0; k < LANES<Real>; k++)
        if (block.particles[k] >= 0)
            target[(long) stride * block.particles[k] + offset] = values[k];
}

/** The heads of one degree. */
template <class Real>
struct HeadsOfDegree {
    int l, first = 0, count = 0;

    HeadsOfDegree(const NetworkPlan<Real>& plan, int l) : l(l) {
        for (int h = 0; h < plan.numHeads; h++)
            if (plan.heads[h].l == l) {
                first = (count == 0 ? h : first);
                count++;
            }
    }
};

/**
 * Weights of the inputs of the last mixing for the heads of a degree: the channels' weights from the last map, through the
 * gates and the mixing.
 */
template <class Real>
void weightInputs(const NetworkPlan<Real>& plan, const HeadsOfDegree<Real>& heads, const Kept<Real>& kept, Scratch<Real>& scratch) {
    const int c = plan.channels;
    const V<Real>* gates = kept.layers[plan.layers - 1].gates + heads.l * c;
    for (int h = 0; h < heads.count; h++)
        for (int k = 0; k < c; k++)
            scratch.headWeights[h * c + k] = kept.outputs[plan.heads[heads.first + h].row + k] * sigmoid<Real>(gates[k]);
    const Mixing<Real>& mixing = plan.products[plan.layers - 1].mixing;
    mixBack<Real>(mixing, heads.l, heads.count, scratch.headWeights, 0, mixing.inputs[heads.l], scratch.inputWeights, false);
}

/** sums[m] += sum_c weights[c] values[m][c], for inputs of the mixing that are stored. */
template <class Real, int M>
inline void sumBlock(const V<Real>* weights, const V<Real>* values, int channels, V<Real>* sums) {
    V<Real> sum[M];
#pragma GCC unroll 5
    for (int m = 0; m < M; m++)
        sum[m] = sums[m];
    for (int c = 0; c < channels; c++)
#pragma GCC unroll 5
        for (int m = 0; m < M; m++)
            sum[m] += weights[c] * values[m * channels + c];
#pragma GCC unroll 5
    for (int m = 0; m < M; m++)
        sums[m] = sum[m];
}

/** The backward pass: sets the gradient by the weights, and sets or adds to the one by the values. */
template <class Real, int M>
inline void sumBlockBack(const V<Real>* bySums, const V<Real>* weights, const V<Real>* values, int channels, V<Real>* byWeights, V<Real>* byValues,
                         bool add) {
    V<Real> by[M];
#pragma GCC unroll 5
    for (int m = 0; m < M; m++)
        by[m] = bySums[m];
    for (int c = 0; c < channels; c++) {
        V<Real> sum = by[0] * values[c];
#pragma GCC unroll 5
        for (int m = 1; m < M; m++)
            sum += by[m] * values[m * channels + c];
        byWeights[c] = sum;
#pragma GCC unroll 5
        for (int m = 0; m < M; m++)
            byValues[m * channels + c] = (add ? byValues[m * channels + c] : V<Real>{}) + by[m] * weights[c];
    }
}

/** sums[head][component]: the weighted sums of the channels' vectors or tensors. */
template <class Real>
void sumChannels(const NetworkPlan<Real>& plan, const HeadsOfDegree<Real>& heads, const Kept<Real>& kept, Scratch<Real>& scratch,
                 V<Real> (*sums)[5]) {
    const int c = plan.channels, l = heads.l;
    const Products<Real>& products = plan.products[plan.layers - 1];
    const typename Kept<Real>::Layer& layer = kept.layers[plan.layers - 1];
    const int numInputs = products.mixing.inputs[l];
    V<Real>* blocks[MAX_INPUTS];
    const int count = gather(plan, products, l, layer.density, scratch.coupled, true, blocks);
    for (int h = 0; h < heads.count; h++) {
        const V<Real>* weights = scratch.inputWeights + h * numInputs;
        for (V<Real>& sum : sums[h])
            sum = V<Real>{};
        for (int b = 0; b < count; b++)
            if (l == 1)
                sumBlock<Real, 3>(weights + b * c, blocks[b], c, sums[h]);
            else
                sumBlock<Real, 5>(weights + b * c, blocks[b], c, sums[h]);
        for (int p = 0; p < products.numLastPaths; p++) {
            const CouplingPath<Real>& path = products.lastPaths[p];
            if (path.l != l)
                continue;
            const V<Real>* left = shorterProduct(products.factors - 2, layer.density, layer.powers);
            V<Real> pairs[25];
            for (V<Real>& pair : pairs)
                pair = V<Real>{};
#define POLARMP_SUM(L, R) sumProducts<Real, L, R>(weights + path.input, left + L * L * c, layer.density + R * R * c, c, pairs);
            POLARMP_FOR_DEGREES(path, POLARMP_SUM)
#undef POLARMP_SUM
            for (int t = 0; t < path.numTerms; t++)
                sums[h][path.terms[t].right] += path.terms[t].value * pairs[path.terms[t].left];
        }
    }
}

/** From the gradient by the sums to the gradients by the density, the products, the gates and the last map's outputs. */
template <class Real>
void sumChannelsBack(const NetworkPlan<Real>& plan, const HeadsOfDegree<Real>& heads, const Kept<Real>& kept, Scratch<Real>& scratch,
                     const V<Real> (*bySums)[5]) {
    const int c = plan.channels, l = heads.l;
    const Products<Real>& products = plan.products[plan.layers - 1];
    const typename Kept<Real>::Layer& layer = kept.layers[plan.layers - 1];
    const int numInputs = products.mixing.inputs[l];
    V<Real>*blocks[MAX_INPUTS], *byBlocks[MAX_INPUTS];
    const int count = gather(plan, products, l, layer.density, scratch.coupled, true, blocks);
    gather(plan, products, l, scratch.byDensity, scratch.byCoupled, true, byBlocks);
    if (heads.count == 0) {
        for (int b = 1; b < count; b++)  // the first is the density, whose gradient is added to
            for (int k = 0; k < (2 * l + 1) * c; k++)
                byBlocks[b][k] = V<Real>{};
        return;
    }
    for (int h = 0; h < heads.count; h++) {
        const V<Real>* weights = scratch.inputWeights + h * numInputs;
        V<Real>* byInputs = scratch.byInputs + h * numInputs;
        for (int b = 0; b < count; b++) {
            const bool add = (b == 0 || h > 0);
            if (l == 1)
                sumBlockBack<Real, 3>(bySums[h], weights + b * c, blocks[b], c, byInputs + b * c, byBlocks[b], add);
            else
                sumBlockBack<Real, 5>(bySums[h], weights + b * c, blocks[b], c, byInputs + b * c, byBlocks[b], add);
        }
        for (int p = 0; p < products.numLastPaths; p++) {
            const CouplingPath<Real>& path = products.lastPaths[p];
            if (path.l != l)
                continue;
            const int last = products.factors - 2;
            V<Real>*left = shorterProduct(last, layer.density, layer.powers), *byLeft = shorterProduct(last, scratch.byDensity, scratch.byPowers);
            V<Real> byPairs[25];
            for (V<Real>& by : byPairs)
                by = V<Real>{};
            for (int t = 0; t < path.numTerms; t++)
                byPairs[path.terms[t].left] += path.terms[t].value * bySums[h][path.terms[t].right];
#define POLARMP_BACK(L, R) \
    sumProductsBack<Real, L, R>(byPairs, weights + path.input, left + L * L * c, layer.density + R * R * c, c, byInputs + path.input, \
                                byLeft + L * L * c, scratch.byDensity + R * R * c);
            POLARMP_FOR_DEGREES(path, POLARMP_BACK)
#undef POLARMP_BACK
        }
    }
    const MixingInput<Real> input = {scratch.byInputs, products.mixing.weights[l]};
    mix<Real>(heads.count, &input, 1, numInputs, c, scratch.byHeadWeights, c, false);
    const V<Real>* gates = layer.gates + l * c;
    for (int k = 0; k < c; k++) {
        const V<Real> open = sigmoid<Real>(gates[k]);
        V<Real> byOpen = V<Real>{};
        for (int h = 0; h < heads.count; h++) {
            const int row = plan.heads[heads.first + h].row + k;
            byOpen += scratch.byHeadWeights[h * c + k] * kept.outputs[row];
            scratch.byOutputs[row] = scratch.byHeadWeights[h * c + k] * open;
        }
        scratch.byGates[l * c + k] = byOpen * gateSlope<Real>(open);
    }
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
