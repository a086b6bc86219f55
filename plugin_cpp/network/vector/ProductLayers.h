#pragma once
#include "Coupling.h"
#include "Memory.h"
#include "Mixing.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// The products of an atom's density with itself, their mixing and the gate.

template <class Real>
inline V<Real> gateSlope(V<Real> s) {
    return s * (Real(1) - s);
}

/** silu and its derivative. */
template <class Real>
inline V<Real> silu(V<Real> x) {
    return x * sigmoid<Real>(x);
}
template <class Real>
inline V<Real> siluSlope(V<Real> x) {
    const V<Real> s = sigmoid<Real>(x);
    return s * (Real(1) + x * (Real(1) - s));
}

/** Scales each degree of each channel of the density so that its norm does not exceed the limit, and saves the factors. */
template <class Real>
void limitDensity(const NetworkPlan<Real>& plan, typename Kept<Real>::Layer& kept) {
    const int c = plan.channels;
    const Real perSquare = 1 / (plan.densityLimit * plan.densityLimit);
    for (int l = 0; l <= plan.lMax; l++)
        for (int k = 0; k < c; k++) {
            V<Real> square = V<Real>{};
            for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
                square += kept.density[lm * c + k] * kept.density[lm * c + k];
            const V<Real> factor = Real(1) / squareRoot<Real>(Real(1) + perSquare * square);
            kept.shortening[l * c + k] = factor;
            for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
                kept.density[lm * c + k] *= factor;
        }
}

/** Replaces the gradient by the limited density with that by the density: (g - d (d . g) / limit^2) times the factor. */
template <class Real>
void limitDensityBack(const NetworkPlan<Real>& plan, const typename Kept<Real>::Layer& kept, V<Real>* byDensity) {
    const int c = plan.channels;
    const Real perSquare = 1 / (plan.densityLimit * plan.densityLimit);
    for (int l = 0; l <= plan.lMax; l++)
        for (int k = 0; k < c; k++) {
            V<Real> along = V<Real>{};
            for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
                along += kept.density[lm * c + k] * byDensity[lm * c + k];
            along *= perSquare;
            for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
                byDensity[lm * c + k] = kept.shortening[l * c + k] * (byDensity[lm * c + k] - along * kept.density[lm * c + k]);
        }
}

/** The factor, besides the density, of the product of `index + 2` factors. */
template <class Vector>
inline Vector* shorterProduct(int index, Vector* density, Vector* const* powers) {
    return index == 0 ? density : powers[index - 1];
}

/** Computes the rows of all products (of the longest one in the last layer scalars only), and mixes the shorter products unless `known`. */
template <class Real>
void multiply(const NetworkPlan<Real>& plan, const Products<Real>& products, typename Kept<Real>::Layer& kept, Scratch<Real>& scratch, bool known) {
    const int c = plan.channels;
    for (int index = 0; index + 2 <= products.factors; index++) {
        bilinear<Real>(products.couple[index], shorterProduct(index, kept.density, kept.powers), kept.density, c, scratch.coupled[index], false);
        if (known || index + 2 == products.factors)
            continue;
        const Mixing<Real>& between = products.between[index];
        const V<Real>* rows = scratch.coupled[index];
        for (int l = 0; l <= plan.lMax; l++) {
            MixingInput<Real> inputs[MAX_INPUTS];
            for (int path = 0; path < products.paths[index][l]; path++, rows += (2 * l + 1) * c)
                inputs[path] = {rows, between.weights[l] + path * c * c};
            mix<Real>(2 * l + 1, inputs, products.paths[index][l], c, c, kept.powers[index] + l * l * c, c, false);
        }
    }
}

/** Inputs of one degree of the mixing: the density, and the rows of products that are stored. */
template <class Real>
int gather(const NetworkPlan<Real>& plan, const Products<Real>& products, int l, V<Real>* density, V<Real>* const* coupled, bool last,
           V<Real>** blocks) {
    const int c = plan.channels;
    int count = 0;
    blocks[count++] = density + l * l * c;
    for (int index = 0; index + 2 <= products.factors; index++) {
        if (last && l > 0 && index + 2 == products.factors)
            break;
        for (int path = 0; path < products.paths[index][l]; path++)
            blocks[count++] = coupled[index] + (firstRow(products, index, l) + path * (2 * l + 1)) * c;
    }
    return count;
}

/** Mixes the stored inputs of one degree. */
template <class Real>
void mixDegree(const NetworkPlan<Real>& plan, const Products<Real>& products, int l, const typename Kept<Real>::Layer& kept,
               const Scratch<Real>& scratch, bool last, V<Real>* out) {
    const int c = plan.channels;
    V<Real>* blocks[MAX_INPUTS];
    const int count = gather(plan, products, l, kept.density, scratch.coupled, last, blocks);
    MixingInput<Real> inputs[MAX_INPUTS];
    for (int k = 0; k < count; k++)
        inputs[k] = {blocks[k], products.mixing.weights[l] + k * c * c};
    mix<Real>(2 * l + 1, inputs, count, c, c, out, c, false);
}

/** The backward pass of mixDegree(): sets the gradients by the inputs, but adds to the one by the density. */
template <class Real>
void mixDegreeBack(const NetworkPlan<Real>& plan, const Products<Real>& products, int l, Scratch<Real>& scratch, bool last, const V<Real>* byOut) {
    const int c = plan.channels;
    V<Real>* blocks[MAX_INPUTS];
    const int count = gather(plan, products, l, scratch.byDensity, scratch.byCoupled, last, blocks);
    for (int k = 0; k < count; k++)
        mixBack<Real>(products.mixing, l, 2 * l + 1, byOut, k * c, c, blocks[k], k == 0);
}

/** From the gradients by all rows to the gradient by the density. */
template <class Real>
void multiplyBack(const NetworkPlan<Real>& plan, const Products<Real>& products, const typename Kept<Real>::Layer& kept, Scratch<Real>& scratch) {
    const int c = plan.channels;
    for (int index = products.factors - 2; index >= 0; index--) {
        if (index + 2 < products.factors) {
            V<Real>* rows = scratch.byCoupled[index];
            for (int l = 0; l <= plan.lMax; l++)
                for (int path = 0; path < products.paths[index][l]; path++, rows += (2 * l + 1) * c)
                    mixBack<Real>(products.between[index], l, 2 * l + 1, scratch.byPowers[index] + l * l * c, path * c, c, rows, l <= products.lOut);
        }
        V<Real>* byShorter = shorterProduct(index, scratch.byDensity, scratch.byPowers);
        bilinear<Real>(products.byLeft[index], scratch.byCoupled[index], kept.density, c, byShorter, true);
        if (index > 0)
            bilinear<Real>(products.byRight[index], scratch.byCoupled[index], kept.powers[index - 1], c, scratch.byDensity, true);
    }
}

/** Clears the gradients to which multiplyBack() and earlier functions add. */
template <class Real>
void clearGradients(const NetworkPlan<Real>& plan, const Products<Real>& products, Scratch<Real>& scratch) {
    const int size = plan.harmonics * plan.channels;
    for (int k = 0; k < size; k++)
        scratch.byDensity[k] = V<Real>{};
    for (int index = 0; index + 2 < products.factors; index++)
        for (int k = 0; k < size; k++)
            scratch.byPowers[index][k] = V<Real>{};
}

/** Gates before silu and sigmoid, from the mixed scalars. */
template <class Real>
void gates(const Products<Real>& products, const V<Real>* scalars, V<Real>* out) {
    for (int k = 0; k < products.gate.outputs; k++)
        out[k] = all<Real>(products.gate.bias[k]);
    mixBlock<Real>(products.gate, 0, 1, scalars, out, true);
}

/** Features of a layer that is not the last, from the saved results. */
template <class Real>
void openGate(const NetworkPlan<Real>& plan, int lOut, const typename Kept<Real>::Layer& kept, V<Real>* features) {
    const int c = plan.channels;
    for (int k = 0; k < c; k++)
        features[k] = silu<Real>(kept.gates[k]);
    for (int l = 1; l <= lOut; l++)
        for (int k = 0; k < c; k++) {
            const V<Real> open = sigmoid<Real>(kept.gates[l * c + k]);
            for (int lm = l * l; lm < (l + 1) * (l + 1); lm++)
                features[lm * c + k] = open * kept.ungated[lm * c + k];
        }
}

/** Replaces the gradient by the features with the gradient by the features before the gate. */
template <class Real>
void gateBack(const NetworkPlan<Real>& plan, const Products<Real>& products, const typename Kept<Real>::Layer& kept, V<Real>* byFeatures,
              V<Real>* byGates) {
    const int c = plan.channels;
    for (int k = 0; k < c; k++)
        byGates[k] = byFeatures[k] * siluSlope<Real>(kept.gates[k]);
    for (int l = 1; l <= products.lOut; l++)
        for (int k = 0; k < c; k++) {
            const V<Real> open = sigmoid<Real>(kept.gates[l * c + k]);
            V<Real> sum = V<Real>{};
            for (int lm = l * l; lm < (l + 1) * (l + 1); lm++) {
                sum += byFeatures[lm * c + k] * kept.ungated[lm * c + k];
                byFeatures[lm * c + k] *= open;
            }
            byGates[l * c + k] = sum * gateSlope<Real>(open);
        }
    mixBack<Real>(products.gate, 0, 1, byGates, 0, c, byFeatures, false);
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
