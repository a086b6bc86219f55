// Compiled once per instruction set, with POLARMP_ARCH naming the namespace.
#include "MeshSpectrum.h"
#include "Points.h"
#include <algorithm>
#include <utility>
#include <vector>

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

namespace {

/** The same point of many lines. */
template <class Real>
struct LanesOf {
    typedef Real type __attribute__((vector_size(VECTOR_BYTES), may_alias));
};
template <class Real>
using Lanes = typename LanesOf<Real>::type;
template <class Real>
constexpr int LANES = VECTOR_BYTES / sizeof(Real);

/** The points of one bundle of lines. */
template <class Real>
struct Lines {
    Lanes<Real>*re, *im;
};

/** A Fourier transform of R points: a into b. */
template <class Real, int R>
struct Few {
    using L = Lanes<Real>;
    static inline void transform(const L* ar, const L* ai, L* br, L* bi, const Real* c, const Real* s) {
        // Points k and R-k meet the same cosine and opposite sines.
        constexpr int H = R / 2;
        L sumR[H + 1], sumI[H + 1], difR[H + 1], difI[H + 1];
        br[0] = ar[0];
        bi[0] = ai[0];
        for (int k = 1; k <= H; k++) {
            sumR[k] = ar[k] + ar[R - k];
            sumI[k] = ai[k] + ai[R - k];
            difR[k] = ar[k] - ar[R - k];
            difI[k] = ai[k] - ai[R - k];
            br[0] += sumR[k];
            bi[0] += sumI[k];
        }
        for (int j = 1; j <= H; j++) {
            L evenR = ar[0], evenI = ai[0], oddR = {}, oddI = {};
            for (int k = 1; k <= H; k++) {
                const int jk = j * k % R;
                evenR += c[jk] * sumR[k];
                evenI += c[jk] * sumI[k];
                oddR -= s[jk] * difI[k];
                oddI += s[jk] * difR[k];
            }
            br[j] = evenR + oddR;
            bi[j] = evenI + oddI;
            br[R - j] = evenR - oddR;
            bi[R - j] = evenI - oddI;
        }
    }
};

template <class Real>
struct Few<Real, 2> {
    using L = Lanes<Real>;
    static inline void transform(const L* ar, const L* ai, L* br, L* bi, const Real*, const Real*) {
        br[0] = ar[0] + ar[1];
        bi[0] = ai[0] + ai[1];
        br[1] = ar[0] - ar[1];
        bi[1] = ai[0] - ai[1];
    }
};

template <class Real>
struct Few<Real, 4> {
    using L = Lanes<Real>;
    static inline void transform(const L* ar, const L* ai, L* br, L* bi, const Real*, const Real*) {
        L r0 = ar[0] + ar[2], i0 = ai[0] + ai[2], r1 = ar[0] - ar[2], i1 = ai[0] - ai[2];
        L r2 = ar[1] + ar[3], i2 = ai[1] + ai[3], r3 = ar[1] - ar[3], i3 = ai[1] - ai[3];
        br[0] = r0 + r2;
        bi[0] = i0 + i2;
        br[1] = r1 + i3;
        bi[1] = i1 - r3;
        br[2] = r0 - r2;
        bi[2] = i0 - i2;
        br[3] = r1 - i3;
        bi[3] = i1 + r3;
    }
};

template <class Real, int R>
void doStep(const typename FourierPlan<Real>::Step& step, Lines<Real> in, Lines<Real> out) {
    const int before = step.before, apart = before * step.after;
    for (int p = 0; p < step.after; p++)
        for (int q = 0; q < before; q++) {
            Lanes<Real> ar[R], ai[R], br[R], bi[R];
            const int from = q + before * p, to = q + before * R * p;
            for (int k = 0; k < R; k++) {
                ar[k] = in.re[from + k * apart];
                ai[k] = in.im[from + k * apart];
            }
            Few<Real, R>::transform(ar, ai, br, bi, step.rootCos.data(), step.rootSin.data());
            out.re[to] = br[0];
            out.im[to] = bi[0];
            for (int j = 1; j < R; j++) {
                const Real c = step.turnCos[R * p + j], s = step.turnSin[R * p + j];
                out.re[to + j * before] = c * br[j] - s * bi[j];
                out.im[to + j * before] = c * bi[j] + s * br[j];
            }
        }
}

/** Any other prime factor; nobody chooses such a mesh for its speed. */
template <class Real>
void doPrimeStep(const typename FourierPlan<Real>::Step& step, Lines<Real> in, Lines<Real> out) {
    const int R = step.radix, before = step.before, apart = before * step.after;
    for (int p = 0; p < step.after; p++)
        for (int q = 0; q < before; q++)
            for (int j = 0; j < R; j++) {
                Lanes<Real> br = {}, bi = {};
                for (int k = 0; k < R; k++) {
                    const int jk = (int) ((long) j * k % R), from = q + before * p + k * apart;
                    br += step.rootCos[jk] * in.re[from] - step.rootSin[jk] * in.im[from];
                    bi += step.rootCos[jk] * in.im[from] + step.rootSin[jk] * in.re[from];
                }
                const Real c = step.turnCos[R * p + j], s = step.turnSin[R * p + j];
                const int to = q + before * (R * p + j);
                out.re[to] = c * br - s * bi;
                out.im[to] = c * bi + s * br;
            }
}

/** Transform a bundle of lines; where the result lies is returned, the other one is scratch. */
template <class Real>
Lines<Real> transform(const FourierPlan<Real>& plan, Lines<Real> lines, Lines<Real> scratch) {
    for (const auto& step : plan.steps) {
        switch (step.radix) {
#define CASE(R) case R: doStep<Real, R>(step, lines, scratch); break;
            CASE(2) CASE(3) CASE(4) CASE(5) CASE(7)
#undef CASE
            default: doPrimeStep<Real>(step, lines, scratch);
        }
        std::swap(lines, scratch);
    }
    return lines;
}

/** exp(+i..) instead of exp(-i..): the same with real and imaginary parts exchanged. */
template <class Real>
Lines<Real> transformBack(const FourierPlan<Real>& plan, Lines<Real> lines, Lines<Real> scratch) {
    Lines<Real> result = transform<Real>(plan, {lines.im, lines.re}, {scratch.im, scratch.re});
    return {result.im, result.re};
}

/** Room for two bundles of n points, kept by each thread. */
template <class Real>
std::pair<Lines<Real>, Lines<Real>> workspace(int n) {
    struct alignas(CACHE_LINE) Line {
        Real numbers[CACHE_LINE / sizeof(Real)];
    };
    static thread_local std::vector<Line> room;
    const size_t lines = 4L * n * VECTOR_BYTES / CACHE_LINE + 1;
    if (room.size() < lines)
        room.resize(lines);
    auto* r = (Lanes<Real>*) room.data();
    return {{r, r + n}, {r + 2 * n, r + 3 * n}};
}

template <class Real>
void alongY(const MeshSpectrum<Real>& d, int plane, bool back) {
    constexpr int N = LANES<Real>;
    const int ny = d.shape.size[1];
    auto [lines, scratch] = workspace<Real>(ny);
    for (int column = 0; column < d.row; column += N) {
        const long start = plane * d.plane + column;
        for (int j = 0; j < ny; j++) {
            lines.re[j] = *(const Lanes<Real>*) (d.re + start + (long) j * d.row);
            lines.im[j] = *(const Lanes<Real>*) (d.im + start + (long) j * d.row);
        }
        Lines<Real> result = back ? transformBack(*d.plans[1], lines, scratch) : transform(*d.plans[1], lines, scratch);
        for (int j = 0; j < ny; j++) {
            *(Lanes<Real>*) (d.re + start + (long) j * d.row) = result.re[j];
            *(Lanes<Real>*) (d.im + start + (long) j * d.row) = result.im[j];
        }
    }
}

/**
 * Rows of the mesh along z are real: two of them, a and b, make one complex line a + i b. This calls
 * work(count, a, b) for bundles of such pairs of rows of some planes, with the numbers of the rows.
 */
template <class Real, class Work>
void forPairsOfRows(const MeshSpectrum<Real>& d, int first, int last, Work work) {
    constexpr int N = LANES<Real>;
    const long begin = (long) first * d.shape.size[1], end = (long) last * d.shape.size[1];
    for (long row = begin; row < end; row += 2 * N) {
        long a[N], b[N];
        int count = (int) std::min<long>(N, (end - row + 1) / 2);
        for (int lane = 0; lane < N; lane++) {
            // Lanes without a row of their own repeat the last one.
            a[lane] = std::min(row + 2 * lane, end - 1);
            b[lane] = std::min(row + 2 * lane + 1, end - 1);
        }
        work(count, a, b);
    }
}

template <class Real>
void forwardPlanes(const MeshSpectrum<Real>& d, int first, int last) {
    constexpr int N = LANES<Real>;
    const int ny = d.shape.size[1], nz = d.shape.size[2];
    auto [lines, scratch] = workspace<Real>(nz);
    auto meshRow = [&](long row) { return d.mesh + row / ny * d.shape.plane + row % ny * d.shape.row; };
    auto spectrumRow = [&](long row) { return row / ny * d.plane + row % ny * d.row; };
    forPairsOfRows(d, first, last, [&, lines = lines, scratch = scratch](int count, const long* a, const long* b) {
        for (int lane = 0; lane < N; lane++) {
            const Real *rowA = meshRow(a[lane]), *rowB = meshRow(b[lane]);
            for (int k = 0; k < nz; k++) {
                ((Real*) &lines.re[k])[lane] = rowA[k];
                ((Real*) &lines.im[k])[lane] = rowB[k];
            }
            for (int k = 0; k < d.shape.overhang; k++) {
                ((Real*) &lines.re[k])[lane] += rowA[nz + k];
                ((Real*) &lines.im[k])[lane] += rowB[nz + k];
            }
        }
        Lines<Real> z = transform(*d.plans[2], lines, scratch);
        // A = (Z_k + conj Z_-k)/2, B = (Z_k - conj Z_-k)/2i
        Lines<Real> A = (z.re == lines.re ? scratch : lines);
        const int half = nz / 2 + 1;
        const Real h = 0.5;
        Lanes<Real>*Ar = A.re, *Ai = A.im;  // the upper halves of A's arrays take B
        long offsetA[N], offsetB[N];
        for (int lane = 0; lane < count; lane++) {
            offsetA[lane] = spectrumRow(a[lane]);
            offsetB[lane] = spectrumRow(b[lane]);
        }
        for (int k = 0; k < half; k++) {
            const int minus = (k == 0 ? 0 : nz - k);
            Ar[k] = h * (z.re[k] + z.re[minus]);
            Ai[k] = h * (z.im[k] - z.im[minus]);
        }
        for (int lane = 0; lane < count; lane++)
            for (int k = 0; k < half; k++) {
                d.re[offsetA[lane] + k] = ((Real*) &Ar[k])[lane];
                d.im[offsetA[lane] + k] = ((Real*) &Ai[k])[lane];
            }
        for (int k = 0; k < half; k++) {
            const int minus = (k == 0 ? 0 : nz - k);
            Ar[k] = h * (z.im[k] + z.im[minus]);
            Ai[k] = h * (z.re[minus] - z.re[k]);
        }
        for (int lane = 0; lane < count; lane++)
            for (int k = 0; k < half; k++) {
                d.re[offsetB[lane] + k] = ((Real*) &Ar[k])[lane];
                d.im[offsetB[lane] + k] = ((Real*) &Ai[k])[lane];
            }
    });
    for (int plane = first; plane < last; plane++)
        alongY(d, plane, false);
}

template <class Real>
void convolveRows(const MeshSpectrum<Real>& d, int first, int last) {
    constexpr int N = LANES<Real>;
    const int nx = d.shape.size[0];
    auto [lines, scratch] = workspace<Real>(nx);
    for (long start = (long) first * d.row; start < (long) last * d.row; start += N) {
        for (int i = 0; i < nx; i++) {
            lines.re[i] = *(const Lanes<Real>*) (d.re + start + i * d.plane);
            lines.im[i] = *(const Lanes<Real>*) (d.im + start + i * d.plane);
        }
        Lines<Real> there = transform(*d.plans[0], lines, scratch);
        for (int i = 0; i < nx; i++) {
            const Lanes<Real> g = *(const Lanes<Real>*) (d.influence + start + i * d.plane);
            there.re[i] *= g;
            there.im[i] *= g;
        }
        Lines<Real> result = transformBack(*d.plans[0], there, there.re == lines.re ? scratch : lines);
        for (int i = 0; i < nx; i++) {
            *(Lanes<Real>*) (d.re + start + i * d.plane) = result.re[i];
            *(Lanes<Real>*) (d.im + start + i * d.plane) = result.im[i];
        }
    }
}

template <class Real>
void backwardPlanes(const MeshSpectrum<Real>& d, int first, int last) {
    constexpr int N = LANES<Real>;
    const int ny = d.shape.size[1], nz = d.shape.size[2], half = nz / 2 + 1;
    for (int plane = first; plane < last; plane++)
        alongY(d, plane, true);
    auto [lines, scratch] = workspace<Real>(nz);
    auto meshRow = [&](long row) { return d.mesh + row / ny * d.shape.plane + row % ny * d.shape.row; };
    auto spectrumRow = [&](long row) { return row / ny * d.plane + row % ny * d.row; };
    forPairsOfRows(d, first, last, [&, lines = lines, scratch = scratch](int count, const long* a, const long* b) {
        for (int lane = 0; lane < N; lane++) {
            const long offsetA = spectrumRow(a[lane]), offsetB = spectrumRow(b[lane]);
            for (int k = 0; k < half; k++) {
                ((Real*) &scratch.re[k])[lane] = d.re[offsetA + k];
                ((Real*) &scratch.im[k])[lane] = d.im[offsetA + k];
                ((Real*) &lines.re[k])[lane] = d.re[offsetB + k];
                ((Real*) &lines.im[k])[lane] = d.im[offsetB + k];
            }
        }
        // Z_k = A + i B, Z_-k = conj A + i conj B
        for (int k = 0; k < half; k++) {
            const int minus = (k == 0 ? 0 : nz - k);
            const Lanes<Real> ar = scratch.re[k], ai = scratch.im[k], br = lines.re[k], bi = lines.im[k];
            lines.re[minus] = ar + bi;
            lines.im[minus] = br - ai;
            lines.re[k] = (k == minus ? ar : ar - bi);
            lines.im[k] = (k == minus ? br : br + ai);
        }
        Lines<Real> z = transformBack(*d.plans[2], lines, scratch);
        for (int lane = 0; lane < count; lane++) {
            Real *rowA = meshRow(a[lane]), *rowB = meshRow(b[lane]);
            for (int k = 0; k < nz; k++) {
                rowA[k] = ((Real*) &z.re[k])[lane];
                rowB[k] = ((Real*) &z.im[k])[lane];
            }
            std::copy_n(rowA, d.shape.overhang, rowA + nz);
            std::copy_n(rowB, d.shape.overhang, rowB + nz);
        }
    });
}

} // namespace

extern const MeshFourier<float> singleFourier = {forwardPlanes<float>, convolveRows<float>, backwardPlanes<float>};
extern const MeshFourier<double> doubleFourier = {forwardPlanes<double>, convolveRows<double>, backwardPlanes<double>};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
