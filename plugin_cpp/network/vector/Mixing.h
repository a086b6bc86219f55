#pragma once
#include "../NetworkPlan.h"
#include "Lanes.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

constexpr int MAX_INPUTS = 16;  // of a mixing: the density and at most 4 paths in each of three products

/** Some inputs of a mixing: values [components][width], and their rows of the weights. */
template <class Real>
struct MixingInput {
    const V<Real>* values;
    const Real* weights;
};

/**
 * The inner loop of all matrix products: sums of M components times O outputs are kept in registers. Atoms are in the lanes,
 * so that a weight is one number for all of them.
 */
template <class Real, int M, int O>
inline void mixTile(const MixingInput<Real>* inputs, int numInputs, int width, long weightStride, int firstOutput, V<Real>* out, int outputs,
                    bool add) {
    V<Real> sums[M][O];
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 16
        for (int o = 0; o < O; o++)
            sums[m][o] = add ? out[m * outputs + firstOutput + o] : V<Real>{};
    for (int i = 0; i < numInputs; i++) {
        const V<Real>* x = inputs[i].values;
        const Real* w = inputs[i].weights + firstOutput;
        for (int k = 0; k < width; k++, w += weightStride) {
            V<Real> component[M];
#pragma GCC unroll 8
            for (int m = 0; m < M; m++)
                component[m] = x[m * width + k];
#pragma GCC unroll 16
            for (int o = 0; o < O; o++)
#pragma GCC unroll 8
                for (int m = 0; m < M; m++)
                    sums[m][o] += component[m] * w[o];
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; m++)
#pragma GCC unroll 16
        for (int o = 0; o < O; o++)
            out[m * outputs + firstOutput + o] = sums[m][o];
}

template <class Real, int M, int O>
inline void mixRest(const MixingInput<Real>* inputs, int numInputs, int width, long weightStride, int firstOutput, V<Real>* out, int outputs,
                    bool add) {
    if (outputs - firstOutput == O)
        mixTile<Real, M, O>(inputs, numInputs, width, weightStride, firstOutput, out, outputs, add);
    else if constexpr (O > 1)
        mixRest<Real, M, O - 1>(inputs, numInputs, width, weightStride, firstOutput, out, outputs, add);
}

/** Outputs that are summed at the same time: as many as fit into the registers. */
// clang-format off
constexpr int tileOutputs(int components) {
    return REGISTERS == 32 ? (components == 1 ? 16 : components == 2 ? 10 : components == 3 ? 8 : 4)
                           : (components == 1 ? 8 : components == 2 ? 6 : 4);
}
// clang-format on

template <class Real, int M>
void mixComponents(const MixingInput<Real>* inputs, int numInputs, int width, long weightStride, V<Real>* out, int outputs, bool add) {
    constexpr int O = tileOutputs(M);
    int o = 0;
    for (; o + O <= outputs; o += O)
        mixTile<Real, M, O>(inputs, numInputs, width, weightStride, o, out, outputs, add);
    if constexpr (O > 1)
        mixRest<Real, M, O - 1>(inputs, numInputs, width, weightStride, o, out, outputs, add);
}

/**
 * Sets out[m][o] to the sum over the inputs of values[m][k] * weights[k][o], or adds it.
 *
 * @param components    1, 2, 3 or 5
 * @param weightStride  from one row of weights to the next
 */
template <class Real>
void mix(int components, const MixingInput<Real>* inputs, int numInputs, int width, long weightStride, V<Real>* out, int outputs, bool add) {
    if (components == 1)
        mixComponents<Real, 1>(inputs, numInputs, width, weightStride, out, outputs, add);
    else if (components == 2)
        mixComponents<Real, 2>(inputs, numInputs, width, weightStride, out, outputs, add);
    else if (components == 3)
        mixComponents<Real, 3>(inputs, numInputs, width, weightStride, out, outputs, add);
    else if constexpr (REGISTERS == 32)
        mixComponents<Real, 5>(inputs, numInputs, width, weightStride, out, outputs, add);
    else {
        // Sums of five components would leave too few registers for outputs.
        MixingInput<Real> rest[MAX_INPUTS];
        for (int i = 0; i < numInputs; i++)
            rest[i] = {inputs[i].values + 3 * width, inputs[i].weights};
        mixComponents<Real, 3>(inputs, numInputs, width, weightStride, out, outputs, add);
        mixComponents<Real, 2>(rest, numInputs, width, weightStride, out + 3 * outputs, outputs, add);
    }
}

/** One block of values through a degree of a mixing. */
template <class Real>
void mixBlock(const Mixing<Real>& mixing, int l, int components, const V<Real>* values, V<Real>* out, bool add) {
    const MixingInput<Real> input = {values, mixing.weights[l]};
    mix<Real>(components, &input, 1, mixing.inputs[l], mixing.outputs, out, mixing.outputs, add);
}

/** The backward pass of mixBlock(): the gradient by `width` of the inputs, from the gradient by the outputs. */
template <class Real>
void mixBack(const Mixing<Real>& mixing, int l, int components, const V<Real>* byOutputs, int firstInput, int width, V<Real>* byInputs, bool add) {
    const MixingInput<Real> input = {byOutputs, mixing.transposed[l] + firstInput};
    mix<Real>(components, &input, 1, mixing.outputs, mixing.inputs[l], byInputs, width, add);
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
