// Compiled once for each instruction set, in the namespace POLARMP_ARCH.
#include "MeshLoops.h"
#include "Points.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

namespace {

/** Where the window's rows begin within a plane of the mesh. */
template <int W>
void findRows(const int* start, const MeshShape& shape, long* rows) {
    for (int j = 0; j < W; j++) {
        int row = start[1] + j;
        row -= (row >= shape.size[1] ? shape.size[1] : 0);
        rows[j] = row * shape.row + start[2];
    }
}

template <class Real, int W, int P>
void spreadAtom(const Real* source, const Real* weights, const int* start, const MeshShape& shape, Real* mesh, int firstPlane, int lastPlane) {
    using V = Points<Real, P>;
    const Real* x = weights;
    V y[3], z[3];
    for (int n = 0; n < 3; n++) {
        y[n] = V::load(weights + (4 + n) * P);
        z[n] = V::load(weights + (8 + n) * P);
    }
    long rows[W];
    findRows<W>(start, shape, rows);
    const Real q = source[0], mx = source[1], my = source[2], mz = source[3];
    const Real xx = source[4], xy = source[5], xz = source[6], yy = source[7], yz = source[8], zz = source[9];
    for (int i = 0; i < W; i++) {
        int plane = start[0] + i;
        plane -= (plane >= shape.size[0] ? shape.size[0] : 0);
        if (plane < firstPlane || plane >= lastPlane)
            continue;
        const Real x0 = x[i], x1 = x[P + i], x2 = x[2 * P + i];
        // Factors of the window along z and of its first two derivatives, for all rows.
        V values = y[0].times(q * x0 + mx * x1 + xx * x2), first = y[0].times(mz * x0 + xz * x1), second = y[0].times(zz * x0);
        values.add(my * x0 + xy * x1, y[1]);
        values.add(yy * x0, y[2]);
        first.add(yz * x0, y[1]);
        Real inRow[3][P];
        values.store(inRow[0]);
        first.store(inRow[1]);
        second.store(inRow[2]);
        for (int j = 0; j < W; j++) {
            Real* target = mesh + plane * shape.plane + rows[j];
            V sum = V::load(target);
            for (int n = 0; n < 3; n++)
                sum.add(inRow[n][j], z[n]);
            sum.store(target);
        }
    }
}

template <class Real, int W, int P>
void gatherAtom(const Real* weights, const int* start, const MeshShape& shape, const Real* mesh, Real* result) {
    using V = Points<Real, P>;
    const Real *x = weights, *y = weights + 4 * P, *z = weights + 8 * P;
    long rows[W];
    findRows<W>(start, shape, rows);
    // Sums over x and y for every point of the window along z, so that the inner loops need no reduction.
    // byXY[xy(m, n)] is the m-th derivative along x, n-th along y, m + n <= 3.
    V byXY[10];
    for (int i = 0; i < W; i++) {
        int plane = start[0] + i;
        plane -= (plane >= shape.size[0] ? shape.size[0] : 0);
        V byY[4];
        for (int j = 0; j < W; j++) {
            const V values = V::load(mesh + plane * shape.plane + rows[j]);
            for (int n = 0; n < 4; n++)
                byY[n].add(y[n * P + j], values);
        }
        int entry = 0;
        for (int m = 0; m < 4; m++)
            for (int n = 0; m + n < 4; n++, entry++)
                byXY[entry].add(x[m * P + i], byY[n]);
    }
    auto along = [&](int entry, int order) { return byXY[entry].dot(V::load(z + order * P)); };
    // entries: 0: 1, 1: y, 2: yy, 3: yyy, 4: x, 5: xy, 6: xyy, 7: xx, 8: xxy, 9: xxx
    static const int entryOf[20] = {0, 4, 1, 0, 7, 5, 4, 2, 1, 0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    static const int orderOf[20] = {0, 0, 0, 1, 0, 0, 1, 0, 1, 2, 0, 0, 1, 0, 1, 2, 0, 1, 2, 3};
    for (int d = 0; d < 20; d++)
        result[d] = along(entryOf[d], orderOf[d]);
}

template <class Real, int W, int P>
void spreadPointCharge(Real charge, const Real* weights, const int* start, const MeshShape& shape, Real* mesh, int firstPlane, int lastPlane) {
    using V = Points<Real, P>;
    const Real *x = weights, *y = weights + 2 * P;
    const V z = V::load(weights + 4 * P);
    long rows[W];
    findRows<W>(start, shape, rows);
    for (int i = 0; i < W; i++) {
        int plane = start[0] + i;
        plane -= (plane >= shape.size[0] ? shape.size[0] : 0);
        if (plane < firstPlane || plane >= lastPlane)
            continue;
        const V values = z.times(charge * x[i]);
        for (int j = 0; j < W; j++) {
            Real* target = mesh + plane * shape.plane + rows[j];
            V sum = V::load(target);
            sum.add(y[j], values);
            sum.store(target);
        }
    }
}

template <class Real, int W, int P>
void gatherAtPointCharge(const Real* weights, const int* start, const MeshShape& shape, const Real* mesh, Real* result) {
    using V = Points<Real, P>;
    const Real *x = weights, *y = weights + 2 * P;
    const V z = V::load(weights + 4 * P), slope = V::load(weights + 5 * P);
    long rows[W];
    findRows<W>(start, shape, rows);
    V value, alongX, alongY;
    for (int i = 0; i < W; i++) {
        int plane = start[0] + i;
        plane -= (plane >= shape.size[0] ? shape.size[0] : 0);
        V byY[2];
        for (int j = 0; j < W; j++) {
            const V values = V::load(mesh + plane * shape.plane + rows[j]);
            byY[0].add(y[j], values);
            byY[1].add(y[P + j], values);
        }
        value.add(x[i], byY[0]);
        alongX.add(x[P + i], byY[0]);
        alongY.add(x[i], byY[1]);
    }
    result[0] = value.dot(z);
    result[1] = alongX.dot(z);
    result[2] = alongY.dot(z);
    result[3] = value.dot(slope);
}

/** The polynomials of all points and their derivatives at once: coefficients[power][point]. */
template <class Real, int P, int ORDERS>
void evaluateWindow(int degree, const Real* coefficients, Real t, Real* weights) {
    // Horner's rule; v[n] is the n-th derivative over n!
    Points<Real, P> v[ORDERS];
    v[0] = Points<Real, P>::load(coefficients + degree * P);
    for (int power = degree - 1; power >= 0; power--) {
        for (int n = ORDERS - 1; n > 0; n--) {
            v[n] = v[n].times(t);
            v[n].add(1, v[n - 1]);
        }
        v[0] = v[0].times(t);
        v[0].add(1, Points<Real, P>::load(coefficients + power * P));
    }
    const Real factorials[4] = {1, 1, 2, 6};
    for (int n = 0; n < ORDERS; n++)
        v[n].times(factorials[n]).store(weights + n * P);
}

// clang-format off
#define WIDTHS(CASE) \
    CASE(4, 8) CASE(5, 8) CASE(6, 8) CASE(7, 8) CASE(8, 8) \
    CASE(9, 16) CASE(10, 16) CASE(11, 16) CASE(12, 16) CASE(13, 16) CASE(14, 16) CASE(15, 16) CASE(16, 16)
// clang-format on

template <class Real, int ORDERS>
void windowOfOrders(int width, int degree, const Real* coefficients, Real t, Real* weights) {
    if (width <= 8)
        evaluateWindow<Real, 8, ORDERS>(degree, coefficients, t, weights);
    else
        evaluateWindow<Real, 16, ORDERS>(degree, coefficients, t, weights);
}

template <class Real>
void window(int width, int orders, int degree, const Real* coefficients, Real t, Real* weights) {
    if (orders == 4)
        windowOfOrders<Real, 4>(width, degree, coefficients, t, weights);
    else
        windowOfOrders<Real, 2>(width, degree, coefficients, t, weights);
}

template <class Real>
void spread(int width, const Real* source, const Real* weights, const int* start, const MeshShape& shape, Real* mesh, int firstPlane, int lastPlane) {
    switch (width) {
#define CASE(W, P) \
    case W: \
        return spreadAtom<Real, W, P>(source, weights, start, shape, mesh, firstPlane, lastPlane);
        WIDTHS(CASE)
#undef CASE
    }
}

template <class Real>
void gather(int width, const Real* weights, const int* start, const MeshShape& shape, const Real* mesh, Real* result) {
    switch (width) {
#define CASE(W, P) \
    case W: \
        return gatherAtom<Real, W, P>(weights, start, shape, mesh, result);
        WIDTHS(CASE)
#undef CASE
    }
}

template <class Real>
void spreadCharge(int width, Real charge, const Real* weights, const int* start, const MeshShape& shape, Real* mesh, int firstPlane, int lastPlane) {
    switch (width) {
#define CASE(W, P) \
    case W: \
        return spreadPointCharge<Real, W, P>(charge, weights, start, shape, mesh, firstPlane, lastPlane);
        WIDTHS(CASE)
#undef CASE
    }
}

template <class Real>
void gatherGradient(int width, const Real* weights, const int* start, const MeshShape& shape, const Real* mesh, Real* result) {
    switch (width) {
#define CASE(W, P) \
    case W: \
        return gatherAtPointCharge<Real, W, P>(weights, start, shape, mesh, result);
        WIDTHS(CASE)
#undef CASE
    }
}

} // namespace

extern const MeshLoops<float> singleLoops = {window<float>, spread<float>, gather<float>, spreadCharge<float>, gatherGradient<float>};
extern const MeshLoops<double> doubleLoops = {window<double>, spread<double>, gather<double>, spreadCharge<double>, gatherGradient<double>};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
