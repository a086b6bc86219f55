// Compiled once for each instruction set, in the namespace POLARMP_ARCH.
#include "TorchLoops.h"
#include "../network/vector/Lanes.h"
#include "openmm_polarmp/internal/PairSeries.h"
#include <cmath>

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

namespace {

using Vector = V<double>;
constexpr int WIDTH = LANES<double>;

/** R_n = scale (-2 a2)^n F_n(x) for n up to an order, F_n(x) = int_0^1 t^2n exp(-x t^2) dt. */
void radial(const PairPlan& plan, double x, Vector* R, int lane) {
    const int order = plan.order;
    const double gaussian = exp(-x);
    if (x < PAIR_SERIES_LIMIT) {
        double term = 1.0 / (2 * order + 1), sum = 0;
        for (int k = 1; term > 1e-18; k++) {
            sum += term;
            term *= 2 * x / (2 * (order + k) + 1);
        }
        R[order][lane] = gaussian * sum;
        for (int n = order; n > 0; n--)
            R[n - 1][lane] = (2 * x * R[n][lane] + gaussian) / (2 * n - 1);
    } else {
        const double root = sqrt(x);
        R[0][lane] = sqrt(M_PI) / 2 * erf(root) / root;
        for (int n = 0; n < order; n++)
            R[n + 1][lane] = ((2 * n + 1) * R[n][lane] - gaussian) / (2 * x);
    }
    double factor = plan.scale;
    for (int n = 0; n <= order; n++, factor *= -2 * plan.a2)
        R[n][lane] *= factor;
}

/** All derivatives of g at the displacements r of `valid` pairs; in the other lanes all are zero. */
void evaluateKernel(const PairPlan& plan, const Vector r[3], int valid, Vector* R) {
    const Vector x = plan.a2 * (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]);
    for (int n = 0; n <= plan.order; n++)
        R[n] = Vector{};
    for (int lane = 0; lane < valid; lane++)
        radial(plan, x[lane], R, lane);
    const int row = plan.order + 1;
    for (const PairStep* step = plan.steps; step < plan.steps + plan.numSteps; step++) {
        const Vector *lower = R + step->lower * row + 1, *lowest = R + step->lowest * row + 1;
        Vector* here = R + step->place * row;
        const Vector along = r[step->axis];
        if (step->factor == 0)
            for (int n = 0; n <= step->highest; n++)
                here[n] = along * lower[n];
        else
            for (int n = 0; n <= step->highest; n++)
                here[n] = along * lower[n] + step->factor * lowest[n];
    }
}

Vector some(const double* from, int valid) {
    if (valid == WIDTH)
        return loaded<double>(from);
    Vector v = Vector{};
    for (int lane = 0; lane < valid; lane++)
        v[lane] = from[lane];
    return v;
}

void addSome(const Vector& v, double* to, int valid) {
    if (valid == WIDTH)
        store<double>(loaded<double>(to) + v, to);
    else
        for (int lane = 0; lane < valid; lane++)
            to[lane] += v[lane];
}

/** What atom i and some atoms j feel of each other; g depends on r_i - r_j, so that derivatives by r_j change the sign. */
void addPairs(const PairSet& set, const Vector* R, int row, long count, long i, long j, int valid, Vector* atI, Vector* sources) {
    for (int l = 0; l < set.numSources; l++)
        sources[l] = set.sourceSigns[l] * some(set.sources + l * count + j, valid);
    const int* place = set.places;
    for (int n = 0; n < set.numPotentials; n++) {
        Vector sumI = Vector{}, sumJ = Vector{};
        for (int l = 0; l < set.numSources; l++) {
            const Vector derivative = R[*place++ * row];
            sumI += sources[l] * derivative;
            sumJ += set.sources[l * count + i] * derivative;
        }
        atI[n] += sumI;
        addSome(set.potentialSigns[n] * sumJ, set.potentials + n * count + j, valid);
    }
}

/** The pairs of atom i with the atoms behind it. */
void addAtom(const PairPlan& plan, const ClusterAtoms& atoms, long i, long end, int numDerivatives) {
    const int row = plan.order + 1;
    const long count = atoms.count;
    Vector* R = reinterpret_cast<Vector*>(plan.memory);
    Vector* const moments = R + numDerivatives * row;
    Vector* work = moments;
    for (const PairSet* set = plan.sets; set < plan.sets + plan.numSets; set++)
        for (int n = 0; n < set->numPotentials; n++)
            *work++ = Vector{};
    for (long j = i + 1; j < end; j += WIDTH) {
        const int valid = (int) smaller((long) WIDTH, end - j);
        Vector r[3];
        for (int axis = 0; axis < 3; axis++)
            r[axis] = atoms.positions[axis * count + i] - some(atoms.positions + axis * count + j, valid);
        evaluateKernel(plan, r, valid, R);
        Vector* atI = moments;
        for (const PairSet* set = plan.sets; set < plan.sets + plan.numSets; set++) {
            addPairs(*set, R, row, count, i, j, valid, atI, work);
            atI += set->numPotentials;
        }
    }
    const Vector* atI = moments;
    for (const PairSet* set = plan.sets; set < plan.sets + plan.numSets; set++)
        for (int n = 0; n < set->numPotentials; n++, atI++)
            for (int lane = 0; lane < WIDTH; lane++)
                set->potentials[n * count + i] += (*atI)[lane];
}

void addPotentials(const PairPlan& plan, const ClusterAtoms& atoms) {
    long first = 0;
    for (long cluster = 0; cluster < atoms.numClusters; cluster++) {
        const long end = first + atoms.sizes[cluster];
        for (long i = first; i < end; i++)
            addAtom(plan, atoms, i, end, plan.numSteps + 1);
        first = end;
    }
}

} // namespace

extern const TorchPairLoops pairLoops;
const TorchPairLoops pairLoops = {addPotentials};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
