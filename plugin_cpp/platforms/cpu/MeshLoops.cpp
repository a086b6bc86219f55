// Compiled once per instruction set, with POLARMP_ARCH naming the namespace.
#include "MeshLoops.h"
#include <algorithm>

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

namespace {

template <class Real, int W>
void spreadAtom(const Real* source, const Real* weights, const int* start, const int* size, Real* mesh, int firstPlane, int lastPlane) {
    const Real *x = weights, *y = weights + 4 * W;
    // A copy that cannot overlap with the mesh, so that it stays in registers.
    Real z[3][W];
    for (int n = 0; n < 3; n++)
        for (int k = 0; k < W; k++)
            z[n][k] = weights[(8 + n) * W + k];
    const Real q = source[0], mx = source[1], my = source[2], mz = source[3];
    const Real xx = source[4], xy = source[5], xz = source[6], yy = source[7], yz = source[8], zz = source[9];
    const bool wraps = start[2] + W > size[2];
    for (int i = 0; i < W; i++) {
        int plane = start[0] + i;
        plane -= (plane >= size[0] ? size[0] : 0);
        if (plane < firstPlane || plane >= lastPlane)
            continue;
        // a_mn multiplies the m-th derivative along y and the n-th along z.
        const Real x0 = x[i], x1 = x[W + i], x2 = x[2 * W + i];
        const Real a00 = q * x0 + mx * x1 + xx * x2, a10 = my * x0 + xy * x1, a20 = yy * x0;
        const Real a01 = mz * x0 + xz * x1, a11 = yz * x0, a02 = zz * x0;
        for (int j = 0; j < W; j++) {
            int row = start[1] + j;
            row -= (row >= size[1] ? size[1] : 0);
            const Real y0 = y[j], y1 = y[W + j], y2 = y[2 * W + j];
            const Real z0 = a00 * y0 + a10 * y1 + a20 * y2, z1 = a01 * y0 + a11 * y1, z2 = a02 * y0;
            Real* line = mesh + ((long) plane * size[1] + row) * size[2];
            if (!wraps) {
                Real* target = line + start[2];
                for (int k = 0; k < W; k++)
                    target[k] += z0 * z[0][k] + z1 * z[1][k] + z2 * z[2][k];
            }
            else
                for (int k = 0; k < W; k++)
                    line[(start[2] + k) % size[2]] += z0 * z[0][k] + z1 * z[1][k] + z2 * z[2][k];
        }
    }
}

template <class Real, int W>
void gatherAtom(const Real* weights, const int* start, const int* size, const Real* mesh, Real* result) {
    const Real *x = weights, *y = weights + 4 * W, *z = weights + 8 * W;
    // Sums over x and y are kept for every point of the window along z, so that the inner loops need no reduction.
    // byXY[xy(m, n)] is the m-th derivative along x, n-th along y, m + n <= 3.
    Real byXY[10][W] = {};
    Real wrapped[W];
    const bool wraps = start[2] + W > size[2];
    for (int i = 0; i < W; i++) {
        int plane = start[0] + i;
        plane -= (plane >= size[0] ? size[0] : 0);
        Real byY[4][W] = {};
        for (int j = 0; j < W; j++) {
            int row = start[1] + j;
            row -= (row >= size[1] ? size[1] : 0);
            const Real* line = mesh + ((long) plane * size[1] + row) * size[2];
            const Real* values = line + start[2];
            if (wraps) {
                for (int k = 0; k < W; k++)
                    wrapped[k] = line[(start[2] + k) % size[2]];
                values = wrapped;
            }
            for (int n = 0; n < 4; n++)
                for (int k = 0; k < W; k++)
                    byY[n][k] += y[n * W + j] * values[k];
        }
        int entry = 0;
        for (int m = 0; m < 4; m++)
            for (int n = 0; m + n < 4; n++, entry++)
                for (int k = 0; k < W; k++)
                    byXY[entry][k] += x[m * W + i] * byY[n][k];
    }
    auto along = [&](int entry, int order) {
        Real sum = 0;
        for (int k = 0; k < W; k++)
            sum += byXY[entry][k] * z[order * W + k];
        return sum;
    };
    // entries: 0: 1, 1: y, 2: yy, 3: yyy, 4: x, 5: xy, 6: xyy, 7: xx, 8: xxy, 9: xxx
    static const int entryOf[20] = {0, 4, 1, 0, 7, 5, 4, 2, 1, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    static const int orderOf[20] = {0, 0, 0, 1, 0, 0, 1, 0, 1, 2, 0, 0, 1, 0, 1, 2, 0, 1, 2, 3};
    for (int d = 0; d < 20; d++)
        result[d] = along(entryOf[d], orderOf[d]);
}

/** Every point's polynomial and its derivatives at once: coefficients[power][point]. */
template <class Real, int W>
void evaluateWindow(int degree, const Real* coefficients, Real t, Real* weights) {
    Real v0[W], v1[W] = {}, v2[W] = {}, v3[W] = {};
    for (int p = 0; p < W; p++)
        v0[p] = coefficients[degree * W + p];
    for (int n = degree - 1; n >= 0; n--)
        for (int p = 0; p < W; p++) {
            v3[p] = v3[p] * t + v2[p];  // Horner's rule; the derivatives over their factorials
            v2[p] = v2[p] * t + v1[p];
            v1[p] = v1[p] * t + v0[p];
            v0[p] = v0[p] * t + coefficients[n * W + p];
        }
    for (int p = 0; p < W; p++) {
        weights[p] = v0[p];
        weights[W + p] = v1[p];
        weights[2 * W + p] = 2 * v2[p];
        weights[3 * W + p] = 6 * v3[p];
    }
}

template <class Real>
void window(int width, int degree, const Real* coefficients, Real t, Real* weights) {
    switch (width) {
#define CASE(W) case W: return evaluateWindow<Real, W>(degree, coefficients, t, weights);
        CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14) CASE(15) CASE(16)
#undef CASE
    }
}

template <class Real>
void spread(int width, const Real* source, const Real* weights, const int* start, const int* size, Real* mesh, int firstPlane, int lastPlane) {
    switch (width) {
#define CASE(W) case W: return spreadAtom<Real, W>(source, weights, start, size, mesh, firstPlane, lastPlane);
        CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14) CASE(15) CASE(16)
#undef CASE
    }
}

template <class Real>
void gather(int width, const Real* weights, const int* start, const int* size, const Real* mesh, Real* result) {
    switch (width) {
#define CASE(W) case W: return gatherAtom<Real, W>(weights, start, size, mesh, result);
        CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14) CASE(15) CASE(16)
#undef CASE
    }
}

} // namespace

extern const MeshLoops<float> singleLoops = {window<float>, spread<float>, gather<float>};
extern const MeshLoops<double> doubleLoops = {window<double>, spread<double>, gather<double>};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
