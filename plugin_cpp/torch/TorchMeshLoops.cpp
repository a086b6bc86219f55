// Compiled once for each instruction set, in the namespace POLARMP_ARCH.
#include "TorchLoops.h"
#include <cmath>

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

namespace {

constexpr int MAX_DERIVATIVES = 8;

/** The window of one atom: P >= width points along each axis, those beyond the width zero. */
template <class Real, int P>
struct AtomWindow {
    Real weights[3][MAX_DERIVATIVES][P];
    long points[3][P];  // along each axis, already times the stride of the axis

    AtomWindow(const MeshPlan& plan, const Real* polynomials, const Real* u) {
        const long strides[3] = {(long) plan.shape[1] * plan.shape[2], plan.shape[2], 1};
        const int rowSize = (plan.order + 1) * plan.width;
        for (int axis = 0; axis < 3; axis++) {
            const Real shifted = u[axis] - Real(plan.width) / 2, floor = std::floor(shifted), t = shifted - floor - Real(0.5);
            for (int d = 0; d <= plan.order; d++) {
                Real values[P] = {};
                for (int power = plan.degree; power >= 0; power--) {
                    const Real* coefficients = polynomials + power * rowSize + d * plan.width;
                    for (int p = 0; p < plan.width; p++)
                        values[p] = values[p] * t + coefficients[p];
                }
                for (int p = 0; p < P; p++)
                    weights[axis][d][p] = values[p];
            }
            long point = ((long) floor + 1) % plan.shape[axis];
            point += (point < 0 ? plan.shape[axis] : 0);
            for (int p = 0; p < plan.width; p++) {
                points[axis][p] = point * strides[axis];
                point = (point + 1 == plan.shape[axis] ? 0 : point + 1);
            }
        }
    }
};

/** Calls f(place, a, b, c) for all derivatives up to an order, in the order of openmm_polarmp.electrostatics._multi_index. */
template <class F>
inline void forDerivatives(int order, F&& f) {
    for (int total = 0, place = 0; total <= order; total++)
        for (int a = total; a >= 0; a--)
            for (int b = total - a; b >= 0; b--, place++)
                f(place, a, b, total - a - b);
}

template <class Real, int P>
void spreadAtoms(const MeshPlan& plan, const Real* polynomials, const Real* u, const Real* coefficients, Real* mesh) {
    const int numComponents = (plan.order + 1) * (plan.order + 2) * (plan.order + 3) / 6;
    for (long atom = 0; atom < plan.numAtoms; atom++) {
        const AtomWindow<Real, P> window(plan, polynomials, u + 3 * atom);
        Real alongZ[MAX_DERIVATIVES][MAX_DERIVATIVES][P] = {};
        forDerivatives(plan.order, [&](int place, int a, int b, int c) {
            for (int z = 0; z < P; z++)
                alongZ[a][b][z] += coefficients[atom * numComponents + place] * window.weights[2][c][z];
        });
        Real* const own = mesh + plan.firstPoint[atom];
        for (int x = 0; x < plan.width; x++) {
            Real rows[MAX_DERIVATIVES][P] = {};
            for (int a = 0; a <= plan.order; a++)
                for (int b = 0; a + b <= plan.order; b++)
                    for (int z = 0; z < P; z++)
                        rows[b][z] += window.weights[0][a][x] * alongZ[a][b][z];
            for (int y = 0; y < plan.width; y++) {
                Real values[P] = {};
                for (int b = 0; b <= plan.order; b++)
                    for (int z = 0; z < P; z++)
                        values[z] += window.weights[1][b][y] * rows[b][z];
                Real* row = own + window.points[0][x] + window.points[1][y];
                for (int z = 0; z < plan.width; z++)
                    row[window.points[2][z]] += values[z];
            }
        }
    }
}

template <class Real, int P>
void gatherAtoms(const MeshPlan& plan, long begin, long end, const Real* polynomials, const Real* u, const Real* mesh, Real* derivatives) {
    const int numComponents = (plan.order + 1) * (plan.order + 2) * (plan.order + 3) / 6;
    for (long atom = begin; atom < end; atom++) {
        const AtomWindow<Real, P> window(plan, polynomials, u + 3 * atom);
        Real sums[MAX_DERIVATIVES][MAX_DERIVATIVES][P] = {};  // over x and y, by their derivatives
        const Real* const own = mesh + plan.firstPoint[atom];
        for (int x = 0; x < plan.width; x++) {
            Real rows[MAX_DERIVATIVES][P] = {};
            for (int y = 0; y < plan.width; y++) {
                const Real* row = own + window.points[0][x] + window.points[1][y];
                Real values[P] = {};
                for (int z = 0; z < plan.width; z++)
                    values[z] = row[window.points[2][z]];
                for (int b = 0; b <= plan.order; b++)
                    for (int z = 0; z < P; z++)
                        rows[b][z] += window.weights[1][b][y] * values[z];
            }
            for (int a = 0; a <= plan.order; a++)
                for (int b = 0; a + b <= plan.order; b++)
                    for (int z = 0; z < P; z++)
                        sums[a][b][z] += window.weights[0][a][x] * rows[b][z];
        }
        forDerivatives(plan.order, [&](int place, int a, int b, int c) {
            Real sum = 0;
            for (int z = 0; z < P; z++)
                sum += sums[a][b][z] * window.weights[2][c][z];
            derivatives[atom * numComponents + place] = sum;
        });
    }
}

template <class Real>
void spread(const MeshPlan& plan, const Real* polynomials, const Real* u, const Real* coefficients, Real* mesh) {
    if (plan.width <= 8)
        spreadAtoms<Real, 8>(plan, polynomials, u, coefficients, mesh);
    else
        spreadAtoms<Real, 16>(plan, polynomials, u, coefficients, mesh);
}

template <class Real>
void gather(const MeshPlan& plan, long begin, long end, const Real* polynomials, const Real* u, const Real* mesh, Real* derivatives) {
    if (plan.width <= 8)
        gatherAtoms<Real, 8>(plan, begin, end, polynomials, u, mesh, derivatives);
    else
        gatherAtoms<Real, 16>(plan, begin, end, polynomials, u, mesh, derivatives);
}

} // namespace

extern const TorchMeshLoops<float> singleTorchMeshLoops;
extern const TorchMeshLoops<double> doubleTorchMeshLoops;
const TorchMeshLoops<float> singleTorchMeshLoops = {spread<float>, gather<float>};
const TorchMeshLoops<double> doubleTorchMeshLoops = {spread<double>, gather<double>};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
