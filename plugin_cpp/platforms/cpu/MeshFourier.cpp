// Compiled once for each instruction set, in the namespace POLARMP_ARCH.
#include "MeshSpectrum.h"
#include "Points.h"
#include "openmm_polarmp/internal/LargeArray.h"
#include <algorithm>
#include <utility>

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

namespace {

/** The same point of several lines, which are transformed together: one vector. */
template <class Real>
struct LanesOf {
    typedef Real type __attribute__((vector_size(VECTOR_BYTES), may_alias));
};
template <class Real>
using Lanes = typename LanesOf<Real>::type;
template <class Real>
constexpr int LANES = VECTOR_BYTES / sizeof(Real);

/** The points of a bundle of lines. */
template <class Real>
struct Lines {
    Lanes<Real>*re, *im;
};

/** A Fourier transform of R points, from a to b. */
template <class Real, int R>
struct Butterfly {
    using L = Lanes<Real>;
    static inline void transform(const L* ar, const L* ai, L* br, L* bi, const Real* c, const Real* s) {
        // Points k and R-k have the same cosines and opposite sines.
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
struct Butterfly<Real, 2> {
    using L = Lanes<Real>;
    static inline void transform(const L* ar, const L* ai, L* br, L* bi, const Real*, const Real*) {
        br[0] = ar[0] + ar[1];
        bi[0] = ai[0] + ai[1];
        br[1] = ar[0] - ar[1];
        bi[1] = ai[0] - ai[1];
    }
};

template <class Real>
struct Butterfly<Real, 4> {
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
            Butterfly<Real, R>::transform(ar, ai, br, bi, step.rootCos.data(), step.rootSin.data());
            out.re[to] = br[0];
            out.im[to] = bi[0];
            for (int j = 1; j < R; j++) {
                const Real c = step.twiddleCos[R * p + j], s = step.twiddleSin[R * p + j];
                out.re[to + j * before] = c * br[j] - s * bi[j];
                out.im[to + j * before] = c * bi[j] + s * br[j];
            }
        }
}

/** Any other prime factor, without attention to speed: the automatic choice of the mesh avoids them. */
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
                const Real c = step.twiddleCos[R * p + j], s = step.twiddleSin[R * p + j];
                const int to = q + before * (R * p + j);
                out.re[to] = c * br - s * bi;
                out.im[to] = c * bi + s * br;
            }
}

/** Transforms a bundle of lines. Returns which of the two arrays contains the result. */
template <class Real>
Lines<Real> transform(const FourierPlan<Real>& plan, Lines<Real> lines, Lines<Real> scratch) {
    for (const auto& step : plan.steps) {
        switch (step.radix) {
        case 2:
            doStep<Real, 2>(step, lines, scratch);
            break;
        case 3:
            doStep<Real, 3>(step, lines, scratch);
            break;
        case 4:
            doStep<Real, 4>(step, lines, scratch);
            break;
        case 5:
            doStep<Real, 5>(step, lines, scratch);
            break;
        case 7:
            doStep<Real, 7>(step, lines, scratch);
            break;
        default:
            doPrimeStep<Real>(step, lines, scratch);
        }
        std::swap(lines, scratch);
    }
    return lines;
}

/** The inverse transform, with exp(+i..): the forward one with real and imaginary parts exchanged. */
template <class Real>
Lines<Real> transformBack(const FourierPlan<Real>& plan, Lines<Real> lines, Lines<Real> scratch) {
    Lines<Real> result = transform<Real>(plan, {lines.im, lines.re}, {scratch.im, scratch.re});
    return {result.im, result.re};
}

/** Memory for two bundles of n points, which each thread keeps. */
template <class Real>
std::pair<Lines<Real>, Lines<Real>> workspace(int n) {
    static thread_local LargeArray<Real> memory;
    if (memory.size() < 4 * (size_t) n * LANES<Real>)
        memory.resize(4 * (size_t) n * LANES<Real>);
    auto* r = (Lanes<Real>*) memory.data();
    return {{r, r + n}, {r + 2 * n, r + 3 * n}};
}

/** Loads a bundle of lines from the spectrum, with a stride of `apart` between points. */
template <class Real>
void loadLines(const MeshSpectrum<Real>& d, long start, long apart, int n, Lines<Real> lines) {
    for (int i = 0; i < n; i++) {
        lines.re[i] = *(const Lanes<Real>*) (d.re + start + i * apart);
        lines.im[i] = *(const Lanes<Real>*) (d.im + start + i * apart);
    }
}

template <class Real>
void storeLines(const MeshSpectrum<Real>& d, long start, long apart, int n, Lines<Real> lines) {
    for (int i = 0; i < n; i++) {
        *(Lanes<Real>*) (d.re + start + i * apart) = lines.re[i];
        *(Lanes<Real>*) (d.im + start + i * apart) = lines.im[i];
    }
}

/** Copies one line of a bundle from a row of the mesh or the spectrum; getLine() copies it to a row. */
template <class Real>
void setLine(Lines<Real> lines, int lane, const Real* re, const Real* im, int n) {
    for (int k = 0; k < n; k++) {
        ((Real*) &lines.re[k])[lane] = re[k];
        ((Real*) &lines.im[k])[lane] = im[k];
    }
}

template <class Real>
void getLine(Lines<Real> lines, int lane, Real* re, Real* im, int n) {
    for (int k = 0; k < n; k++) {
        re[k] = ((Real*) &lines.re[k])[lane];
        im[k] = ((Real*) &lines.im[k])[lane];
    }
}

template <class Real>
void alongY(const MeshSpectrum<Real>& d, int plane, bool back) {
    const int ny = d.shape.size[1];
    auto [lines, scratch] = workspace<Real>(ny);
    for (int column = 0; column < d.row; column += LANES<Real>) {
        const long start = plane * d.plane + column;
        loadLines(d, start, d.row, ny, lines);
        storeLines(d, start, d.row, ny, back ? transformBack(*d.plans[1], lines, scratch) : transform(*d.plans[1], lines, scratch));
    }
}

/**
 * Rows of the mesh along z are real: two of them, a and b, are transformed as one complex line a + i b. This calls
 * work(count, a, b) for bundles of such pairs of rows of the planes [first, last), with the rows' indices.
 */
template <class Real, class Work>
void forPairsOfRows(const MeshSpectrum<Real>& d, int first, int last, Work work) {
    constexpr int N = LANES<Real>;
    const long begin = (long) first * d.shape.size[1], end = (long) last * d.shape.size[1];
    for (long row = begin; row < end; row += 2 * N) {
        long a[N], b[N];
        int count = (int) std::min<long>(N, (end - row + 1) / 2);
        for (int lane = 0; lane < N; lane++) {
            // Lanes beyond the last row repeat it.
            a[lane] = std::min(row + 2 * lane, end - 1);
            b[lane] = std::min(row + 2 * lane + 1, end - 1);
        }
        work(count, a, b);
    }
}

template <class Real>
Real* meshRow(const MeshSpectrum<Real>& d, long row) {
    return d.mesh + row / d.shape.size[1] * d.shape.plane + row % d.shape.size[1] * d.shape.row;
}

/** The index at which a row of the spectrum begins. */
template <class Real>
long spectrumRow(const MeshSpectrum<Real>& d, long row) {
    return row / d.shape.size[1] * d.plane + row % d.shape.size[1] * d.row;
}

template <class Real>
void forwardPlanes(const MeshSpectrum<Real>& d, int first, int last) {
    const int nz = d.shape.size[2], half = nz / 2 + 1;
    auto [lines, scratch] = workspace<Real>(nz);
    forPairsOfRows(d, first, last, [&, lines = lines, scratch = scratch](int count, const long* a, const long* b) {
        for (int lane = 0; lane < LANES<Real>; lane++) {
            const Real *rowA = meshRow(d, a[lane]), *rowB = meshRow(d, b[lane]);
            setLine(lines, lane, rowA, rowB, nz);
            for (int k = 0; k < d.shape.overhang; k++) {
                ((Real*) &lines.re[k])[lane] += rowA[nz + k];
                ((Real*) &lines.im[k])[lane] += rowB[nz + k];
            }
        }
        Lines<Real> z = transform(*d.plans[2], lines, scratch), part = (z.re == lines.re ? scratch : lines);
        auto store = [&](const long* rows) {
            for (int lane = 0; lane < count; lane++) {
                const long row = spectrumRow(d, rows[lane]);
                getLine(part, lane, d.re + row, d.im + row, half);
            }
        };
        const Real h = 0.5;
        for (int k = 0; k < half; k++) {  // A_k = (Z_k + conj Z_-k)/2
            const int minus = (k == 0 ? 0 : nz - k);
            part.re[k] = h * (z.re[k] + z.re[minus]);
            part.im[k] = h * (z.im[k] - z.im[minus]);
        }
        store(a);
        for (int k = 0; k < half; k++) {  // B_k = (Z_k - conj Z_-k)/2i
            const int minus = (k == 0 ? 0 : nz - k);
            part.re[k] = h * (z.im[k] + z.im[minus]);
            part.im[k] = h * (z.re[minus] - z.re[k]);
        }
        store(b);
    });
    for (int plane = first; plane < last; plane++)
        alongY(d, plane, false);
}

template <class Real>
void convolveRows(const MeshSpectrum<Real>& d, int first, int last) {
    const int nx = d.shape.size[0];
    auto [lines, scratch] = workspace<Real>(nx);
    for (long start = (long) first * d.row; start < (long) last * d.row; start += LANES<Real>) {
        loadLines(d, start, d.plane, nx, lines);
        Lines<Real> x = transform(*d.plans[0], lines, scratch);
        for (int i = 0; i < nx; i++) {
            const Lanes<Real> g = *(const Lanes<Real>*) (d.influence + start + i * d.plane);
            x.re[i] *= g;
            x.im[i] *= g;
        }
        storeLines(d, start, d.plane, nx, transformBack(*d.plans[0], x, x.re == lines.re ? scratch : lines));
    }
}

template <class Real>
void backwardPlanes(const MeshSpectrum<Real>& d, int first, int last) {
    const int nz = d.shape.size[2], half = nz / 2 + 1;
    for (int plane = first; plane < last; plane++)
        alongY(d, plane, true);
    auto [lines, scratch] = workspace<Real>(nz);
    forPairsOfRows(d, first, last, [&, lines = lines, scratch = scratch](int count, const long* a, const long* b) {
        for (int lane = 0; lane < LANES<Real>; lane++) {
            const long rowA = spectrumRow(d, a[lane]), rowB = spectrumRow(d, b[lane]);
            setLine(scratch, lane, d.re + rowA, d.im + rowA, half);
            setLine(lines, lane, d.re + rowB, d.im + rowB, half);
        }
        for (int k = 0; k < half; k++) {  // Z_k = A_k + i B_k, Z_-k = conj A_k + i conj B_k
            const int minus = (k == 0 ? 0 : nz - k);
            const Lanes<Real> ar = scratch.re[k], ai = scratch.im[k], br = lines.re[k], bi = lines.im[k];
            lines.re[minus] = ar + bi;
            lines.im[minus] = br - ai;
            lines.re[k] = (k == minus ? ar : ar - bi);
            lines.im[k] = (k == minus ? br : br + ai);
        }
        Lines<Real> z = transformBack(*d.plans[2], lines, scratch);
        for (int lane = 0; lane < count; lane++) {
            Real *rowA = meshRow(d, a[lane]), *rowB = meshRow(d, b[lane]);
            getLine(z, lane, rowA, rowB, nz);
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
