#pragma once
#include "../NetworkPlan.h"
#include "Lanes.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

/** N channels of one output of a bilinear map. */
template <class Real, int N>
inline void bilinearChannels(const BilinearTerm<Real>* term, const BilinearTerm<Real>* end, const V<Real>* a, const V<Real>* b, int channels,
                             V<Real>* out, bool add) {
    V<Real> sums[N];
#pragma GCC unroll 16
    for (int c = 0; c < N; c++)
        sums[c] = add ? out[c] : V<Real>{};
    for (; term < end; term++) {
        const V<Real>*left = a + term->left * channels, *right = b + term->right * channels;
#pragma GCC unroll 16
        for (int c = 0; c < N; c++)
            sums[c] += term->value * left[c] * right[c];
    }
#pragma GCC unroll 16
    for (int c = 0; c < N; c++)
        out[c] = sums[c];
}

template <class Real, int N>
inline void bilinearOutputs(const BilinearMap<Real>& map, const V<Real>* a, const V<Real>* b, int channels, V<Real>* out, bool add) {
    for (int k = 0; k < map.outputs; k++)
        bilinearChannels<Real, N>(map.terms + map.first[k], map.terms + map.first[k + 1], a, b, channels, out + k * channels, add);
}

/** Sets the outputs of a bilinear map, or adds to them, channel by channel: all arrays are [...][channels]. */
template <class Real>
void bilinear(const BilinearMap<Real>& map, const V<Real>* a, const V<Real>* b, int channels, V<Real>* out, bool add) {
    constexpr int TOGETHER = REGISTERS / 2;
    int c = 0;
    for (; c + TOGETHER <= channels; c += TOGETHER)
        bilinearOutputs<Real, TOGETHER>(map, a + c, b + c, channels, out + c, add);
    for (; c + TOGETHER / 2 <= channels; c += TOGETHER / 2)
        bilinearOutputs<Real, TOGETHER / 2>(map, a + c, b + c, channels, out + c, add);
    for (; c < channels; c++)
        bilinearOutputs<Real, 1>(map, a + c, b + c, channels, out + c, add);
}

// The last layer's vectors and tensors are only used in sums over channels with the heads' weights, so they are not computed
// themselves: for a path (left, right -> l) products of components are first summed over channels and then coupled; in the
// backward pass the gradient is coupled first.

/** products[i][j] += sum_c u[c] a[i][c] b[j][c] for J components of b */
template <class Real, int I, int J>
inline void sumSomeProducts(const V<Real>* u, const V<Real>* a, const V<Real>* b, int channels, V<Real>* products, int stride) {
    V<Real> sums[I][J];
#pragma GCC unroll 5
    for (int i = 0; i < I; i++)
#pragma GCC unroll 5
        for (int j = 0; j < J; j++)
            sums[i][j] = products[i * stride + j];
    for (int c = 0; c < channels; c++)
#pragma GCC unroll 5
        for (int j = 0; j < J; j++) {
            const V<Real> weighted = u[c] * b[j * channels + c];
#pragma GCC unroll 5
            for (int i = 0; i < I; i++)
                sums[i][j] += weighted * a[i * channels + c];
        }
#pragma GCC unroll 5
    for (int i = 0; i < I; i++)
#pragma GCC unroll 5
        for (int j = 0; j < J; j++)
            products[i * stride + j] = sums[i][j];
}

/** sumSomeProducts() for all components of the degrees L and R of a path. */
template <class Real, int L, int R>
inline void sumProducts(const V<Real>* u, const V<Real>* a, const V<Real>* b, int channels, V<Real>* products) {
    constexpr int I = 2 * L + 1, J = 2 * R + 1;
    if constexpr (I * J + 3 <= REGISTERS)
        sumSomeProducts<Real, I, J>(u, a, b, channels, products, J);
    else
        for (int j = 0; j < J; j++)
            sumSomeProducts<Real, I, 1>(u, a, b + j * channels, channels, products + j, J);
}

/**
 * The backward pass, with matrix[i][j] the gradient by the products: y[c] = sum_ij matrix[i][j] a[i][c] b[j][c] is the gradient
 * by u, and the gradients by a and b are added to byA and byB.
 */
template <class Real, int L, int R>
inline void sumProductsBack(const V<Real>* matrix, const V<Real>* u, const V<Real>* a, const V<Real>* b, int channels, V<Real>* y, V<Real>* byA,
                            V<Real>* byB) {
    constexpr int I = 2 * L + 1, J = 2 * R + 1;
    for (int c = 0; c < channels; c++) {
        V<Real> sum = V<Real>{};
        V<Real> sumB[J];
#pragma GCC unroll 5
        for (int j = 0; j < J; j++)
            sumB[j] = V<Real>{};
#pragma GCC unroll 5
        for (int i = 0; i < I; i++) {
            V<Real> sumA = V<Real>{};
#pragma GCC unroll 5
            for (int j = 0; j < J; j++) {
                sumA += matrix[i * J + j] * b[j * channels + c];
                sumB[j] += matrix[i * J + j] * a[i * channels + c];
            }
            sum += a[i * channels + c] * sumA;
            byA[i * channels + c] += u[c] * sumA;
        }
#pragma GCC unroll 5
        for (int j = 0; j < J; j++)
            byB[j * channels + c] += u[c] * sumB[j];
        y[c] = sum;
    }
}

/** Calls DO with the degrees of a path, one that couples to l > 0, as constants. */
// clang-format off
#define POLARMP_FOR_DEGREES(path, DO) \
    switch (3 * (path).left + (path).right) { \
    case 1: DO(0, 1) break; \
    case 2: DO(0, 2) break; \
    case 3: DO(1, 0) break; \
    case 4: DO(1, 1) break; \
    case 5: DO(1, 2) break; \
    case 6: DO(2, 0) break; \
    case 7: DO(2, 1) break; \
    default: DO(2, 2) \
    }
// clang-format on

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
