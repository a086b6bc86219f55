#pragma once
#include "Lanes.h"
#include <utility>

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

// Conversions between vectors whose lanes are atoms and rows of one atom each.

#define POLARMP_SHUFFLE(a, b, index) __builtin_shufflevector(a, b, int(index)...)

template <class Real, size_t... K>
inline void columnsOf(const V<Real>* rows, V<Real>& x, V<Real>& y, V<Real>& z, std::index_sequence<K...>) {
    constexpr size_t HALF = LANES<Real> / 2;
    const V<Real> xy0 = POLARMP_SHUFFLE(rows[0], rows[1], (K < HALF ? 4 * K : 4 * (K - HALF) + 1));
    const V<Real> xy1 = POLARMP_SHUFFLE(rows[2], rows[3], (K < HALF ? 4 * K : 4 * (K - HALF) + 1));
    const V<Real> z0 = POLARMP_SHUFFLE(rows[0], rows[1], (K < HALF ? 4 * K : 4 * (K - HALF)) + 2);
    const V<Real> z1 = POLARMP_SHUFFLE(rows[2], rows[3], (K < HALF ? 4 * K : 4 * (K - HALF)) + 2);
    x = POLARMP_SHUFFLE(xy0, xy1, (K < HALF ? K : K + HALF));
    y = POLARMP_SHUFFLE(xy0, xy1, (K < HALF ? K + HALF : K + 2 * HALF));
    z = POLARMP_SHUFFLE(z0, z1, (K < HALF ? K : K + HALF));
}

template <class Real>
struct RowOfFour {
    typedef Real Type __attribute__((vector_size(4 * sizeof(Real))));
};
template <class Real>
using Four = typename RowOfFour<Real>::Type;

/** Joins as many rows as fit into a vector in registers: loading a vector right after storing its pieces would stall. */
template <class Real>
inline V<Real> joined(const Four<Real>* rows) {
    if constexpr (LANES<Real> == 16)
        return __builtin_shufflevector(__builtin_shufflevector(rows[0], rows[1], 0, 1, 2, 3, 4, 5, 6, 7),
                                       __builtin_shufflevector(rows[2], rows[3], 0, 1, 2, 3, 4, 5, 6, 7), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
                                       13, 14, 15);
    else if constexpr (LANES<Real> == 8)
        return __builtin_shufflevector(rows[0], rows[1], 0, 1, 2, 3, 4, 5, 6, 7);
    else
        return rows[0];
}

/** The first three columns of rows of four numbers, one row for each lane. */
template <class Real>
inline void columns(const Four<Real>* rows, V<Real>& x, V<Real>& y, V<Real>& z) {
    V<Real> all[4];
    if constexpr (LANES<Real> >= 4) {
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            all[k] = joined<Real>(rows + k * (LANES<Real> / 4));
    }
    else
        for (int k = 0; k < 4; k++)
            all[k] = ((const V<Real>*) rows)[k];
    columnsOf<Real>(all, x, y, z, std::make_index_sequence<LANES<Real>>());
}

/** The index of element `e` of rows x y z 0 in x y of all rows, followed by z 0 of all rows. */
constexpr size_t placeOf(size_t e, size_t lanes) {
    return e / 4 * 2 + e % 2 + (e % 4 / 2) * lanes;
}

template <class Real, size_t... K>
inline void rowsOf(V<Real> x, V<Real> y, V<Real> z, V<Real>* rows, std::index_sequence<K...>) {
    constexpr size_t N = LANES<Real>, HALF = N / 2;
    // x0 y0 x1 y1 ..., z0 0 z1 0 ...
    const V<Real> zero = V<Real>{};
    const V<Real> xy0 = POLARMP_SHUFFLE(x, y, K / 2 + (K % 2) * N), xy1 = POLARMP_SHUFFLE(x, y, K / 2 + (K % 2) * N + HALF);
    const V<Real> zw0 = POLARMP_SHUFFLE(z, zero, K / 2 + (K % 2) * N), zw1 = POLARMP_SHUFFLE(z, zero, K / 2 + (K % 2) * N + HALF);
    rows[0] = POLARMP_SHUFFLE(xy0, zw0, placeOf(K, N));
    rows[1] = POLARMP_SHUFFLE(xy0, zw0, placeOf(K + N, N));
    rows[2] = POLARMP_SHUFFLE(xy1, zw1, placeOf(K, N));
    rows[3] = POLARMP_SHUFFLE(xy1, zw1, placeOf(K + N, N));
}

/** Three vectors as rows of four numbers, the last of them zero. */
template <class Real>
inline void rows(V<Real> x, V<Real> y, V<Real> z, V<Real>* result) {
    rowsOf<Real>(x, y, z, result, std::make_index_sequence<LANES<Real>>());
}

template <class Real, int STEP, size_t... K>
inline void exchange(V<Real>& a, V<Real>& b, std::index_sequence<K...>) {
    constexpr size_t N = LANES<Real>;
    const V<Real> low = POLARMP_SHUFFLE(a, b, ((K & STEP) ? N + K - STEP : K));
    b = POLARMP_SHUFFLE(a, b, ((K & STEP) ? N + K : K + STEP));
    a = low;
}

template <class Real, int STEP>
inline void transposeSteps(V<Real>* square) {
    if constexpr (STEP < LANES<Real>) {
#pragma GCC unroll 16
        for (int k = 0; k < LANES<Real>; k++)
            if (!(k & STEP))
                exchange<Real, STEP>(square[k], square[k + STEP], std::make_index_sequence<LANES<Real>>());
        transposeSteps<Real, 2 * STEP>(square);
    }
}

/** Transposes a square matrix: as many vectors as lanes. */
template <class Real>
inline void transpose(V<Real>* square) {
    transposeSteps<Real, 1>(square);
}

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
