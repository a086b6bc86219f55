// Compiled once for each instruction set, in the namespace POLARMP_ARCH.
#include "TorchLoops.h"
#include "../network/vector/Lanes.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

namespace {

/** A bilinear map in N whole vectors of places. */
template <class Real, int N>
inline void bilinearVectors(const BilinearMap<Real>& map, const Real* left, const Real* right, long length, Real* out) {
    for (int k = 0; k < map.outputs; k++) {
        V<Real> sums[N] = {};
        for (const BilinearTerm<Real>* term = map.terms + map.first[k]; term < map.terms + map.first[k + 1]; term++) {
            const Real *a = left + term->left * length, *b = right + term->right * length;
#pragma GCC unroll 4
            for (int n = 0; n < N; n++)
                sums[n] += term->value * loaded<Real>(a + n * LANES<Real>) * loaded<Real>(b + n * LANES<Real>);
        }
#pragma GCC unroll 4
        for (int n = 0; n < N; n++)
            store<Real>(sums[n], out + k * length + n * LANES<Real>);
    }
}

template <class Real>
void bilinear(const BilinearMap<Real>& map, const Real* left, const Real* right, long length, long begin, long end, Real* out) {
    constexpr int TOGETHER = 4;
    long x = begin;
    for (; x + TOGETHER * LANES<Real> <= end; x += TOGETHER * LANES<Real>)
        bilinearVectors<Real, TOGETHER>(map, left + x, right + x, length, out + x);
    for (; x + LANES<Real> <= end; x += LANES<Real>)
        bilinearVectors<Real, 1>(map, left + x, right + x, length, out + x);
    for (; x < end; x++)
        for (int k = 0; k < map.outputs; k++) {
            Real sum = 0;
            for (int t = map.first[k]; t < map.first[k + 1]; t++)
                sum += map.terms[t].value * left[map.terms[t].left * length + x] * right[map.terms[t].right * length + x];
            out[k * length + x] = sum;
        }
}

/** Number of radial functions, N where the compiler may know it. */
template <int N>
inline int numRadial(const DensityPairs& pairs) {
    return N > 0 ? N : pairs.numRadial;
}

/** Calls DO<Real, N>(...) with 8 radial functions, the usual number, as a constant. */
#define POLARMP_FOR_RADIAL(DO, ...) (pairs.numRadial == 8 ? DO<Real, 8>(__VA_ARGS__) : DO<Real, 0>(__VA_ARGS__))

/** One atom's part of X or G is rearranged between [lm][i][n][kind] and [kind][lm][n]. */
template <class Real, class Move>
inline void rearrange(const DensityPairs& pairs, long atom, Move&& move) {
    const int N = pairs.numRadial, H = pairs.numHarmonics, S = pairs.numKinds;
    for (int lm = 0; lm < H; lm++) {
        const long first = (lm * pairs.numAtoms + atom) * N * S;
        for (int n = 0; n < N; n++)
            for (int s = 0; s < S; s++)
                move(first + n * S + s, (s * H + lm) * N + n);
    }
}

template <class Real, int CONSTANT>
void sumDensity(const DensityPairs& pairs, long begin, long end, const Real* Y, const Real* B, Real* row, Real* X) {
    const int N = numRadial<CONSTANT>(pairs), H = pairs.numHarmonics;
    for (long i = begin, pair = begin * pairs.neighbors; i < end; i++) {
        for (int x = 0; x < pairs.rowSize(); x++)
            row[x] = 0;
        for (long j = 0; j < pairs.neighbors; j++, pair++) {
            const Real *y = Y + pair * H, *b = B + pair * N;
            Real* sums = row + pairs.kinds[pair] * H * N;
            for (int lm = 0; lm < H; lm++)
                for (int n = 0; n < N; n++)
                    sums[lm * N + n] += y[lm] * b[n];
        }
        rearrange<Real>(pairs, i, [&](long outside, int inside) { X[outside] = row[inside]; });
    }
}

template <class Real, int CONSTANT>
void differentiateByHarmonics(const DensityPairs& pairs, long begin, long end, const Real* B, const Real* G, Real* row, Real* out) {
    const int N = numRadial<CONSTANT>(pairs), H = pairs.numHarmonics;
    for (long i = begin, pair = begin * pairs.neighbors; i < end; i++) {
        rearrange<Real>(pairs, i, [&](long outside, int inside) { row[inside] = G[outside]; });
        for (long j = 0; j < pairs.neighbors; j++, pair++) {
            const Real *b = B + pair * N, *g = row + pairs.kinds[pair] * H * N;
            for (int lm = 0; lm < H; lm++) {
                Real sum = 0;
                for (int n = 0; n < N; n++)
                    sum += g[lm * N + n] * b[n];
                out[pair * H + lm] = sum;
            }
        }
    }
}

template <class Real, int CONSTANT>
void differentiateByRadial(const DensityPairs& pairs, long begin, long end, const Real* Y, const Real* G, Real* row, Real* out) {
    const int N = numRadial<CONSTANT>(pairs), H = pairs.numHarmonics;
    for (long i = begin, pair = begin * pairs.neighbors; i < end; i++) {
        rearrange<Real>(pairs, i, [&](long outside, int inside) { row[inside] = G[outside]; });
        for (long j = 0; j < pairs.neighbors; j++, pair++) {
            const Real *y = Y + pair * H, *g = row + pairs.kinds[pair] * H * N;
            Real* sums = out + pair * N;
            for (int n = 0; n < N; n++)
                sums[n] = y[0] * g[n];
            for (int lm = 1; lm < H; lm++)
                for (int n = 0; n < N; n++)
                    sums[n] += y[lm] * g[lm * N + n];
        }
    }
}

template <class Real>
void densitySums(const DensityPairs& pairs, long begin, long end, const Real* Y, const Real* B, Real* row, Real* X) {
    POLARMP_FOR_RADIAL(sumDensity, pairs, begin, end, Y, B, row, X);
}

template <class Real>
void byHarmonics(const DensityPairs& pairs, long begin, long end, const Real* B, const Real* G, Real* row, Real* out) {
    POLARMP_FOR_RADIAL(differentiateByHarmonics, pairs, begin, end, B, G, row, out);
}

template <class Real>
void byRadial(const DensityPairs& pairs, long begin, long end, const Real* Y, const Real* G, Real* row, Real* out) {
    POLARMP_FOR_RADIAL(differentiateByRadial, pairs, begin, end, Y, G, row, out);
}

} // namespace

extern const TorchLoops<float> singleTorchLoops;
extern const TorchLoops<double> doubleTorchLoops;
const TorchLoops<float> singleTorchLoops = {bilinear<float>, densitySums<float>, byHarmonics<float>, byRadial<float>};
const TorchLoops<double> doubleTorchLoops = {bilinear<double>, densitySums<double>, byHarmonics<double>, byRadial<double>};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
