#pragma once
#include "../network/NetworkPlan.h"
#include <cstdint>

namespace PolarMPPlugin {

/** The neighbours of atoms, K in each row, and how many functions and kinds of neighbours there are. */
struct DensityPairs {
    long numAtoms, neighbors;
    const int64_t* kinds;  // [atom][neighbour]
    int numKinds, numHarmonics, numRadial;

    /** Of one atom's sums, [kind][harmonic][radial]. */
    int rowSize() const {
        return numKinds * numHarmonics * numRadial;
    }
};

/** The inner loops of the networks in torch, on a CPU. */
template <class Real>
struct TorchLoops {
    /** A bilinear map in some places, begin ... end: all arrays are [component][length]. */
    void (*bilinear)(const BilinearMap<Real>& map, const Real* left, const Real* right, long length, long begin, long end, Real* out);

    // X[lm][i][n][kind] = sum_j Y[i][j][lm] B[i][j][n] over the neighbours j of each kind, and from G, which has the form of X,
    // the derivatives sum_n G B by Y and sum_lm G Y by B; for the atoms i from begin to end. `row` is working memory of
    // rowSize() numbers.
    void (*densitySums)(const DensityPairs& pairs, long begin, long end, const Real* Y, const Real* B, Real* row, Real* X);
    void (*byHarmonics)(const DensityPairs& pairs, long begin, long end, const Real* B, const Real* G, Real* row, Real* out);
    void (*byRadial)(const DensityPairs& pairs, long begin, long end, const Real* Y, const Real* G, Real* row, Real* out);
};

/** Atoms of clusters, one cluster after the other. */
struct ClusterAtoms {
    long count;
    const double* positions;  // [x, y, z][atom]
    long numClusters;
    const long* sizes;
};

/** One more derivative along an axis: R^(n)_place = r_axis R^(n+1)_lower + factor R^(n+1)_lowest for n up to `highest`. */
struct PairStep {
    int axis, place, lower, lowest, highest;
    double factor;
};

/** A set of multipoles, as coefficients of derivatives, and the derivatives of the potential that they make. */
struct PairSet {
    int numSources, numPotentials;
    const int* places;  // [potential][source]: the derivative of the kernel in which they meet
    const double *sourceSigns, *potentialSigns;  // -1 for odd derivatives
    const double* sources;  // [component][atom]
    double* potentials;     // [component][atom], added to
};

/** The pair kernel g(r) = k_e erf(r / (sqrt(2) sigma)) / r: R^(n)_000 = scale (-2 a2)^n F_n(a2 r^2), and d^abc g = R^(0)_abc. */
struct PairPlan {
    int order;  // highest derivative of g
    double a2, scale;
    int numSteps;
    const PairStep* steps;
    int numSets;
    const PairSet* sets;
    double* memory;  // of memoryOf() numbers, aligned as vectors are

    /** For vectors of up to 8 numbers: R^(n), and for each set what atom i feels and the moments of atoms j. */
    static long memoryOf(int numDerivatives, int order, int numMoments) {
        return 8L * (numDerivatives * (order + 1) + numMoments);
    }
};

struct TorchPairLoops {
    /** Adds what the atoms of each cluster make each other feel. */
    void (*addPotentials)(const PairPlan& plan, const ClusterAtoms& atoms);
};

/** Meshes of one shape, one after the other, and the window that couples atoms to them. */
struct MeshPlan {
    int shape[3];
    int width, degree, order;  // of the window, of its polynomials, and of the highest derivatives
    long numAtoms;
    const int64_t* firstPoint;  // of each atom's mesh
};

template <class Real>
struct TorchMeshLoops {
    // Polynomials are [power][derivative][point of the window], positions u [atom][axis] in grid units; coefficients and
    // derivatives [atom][component] belong to products of derivatives along the axes up to the order.
    /** Adds the windows of all atoms, with their coefficients, to the meshes. */
    void (*spread)(const MeshPlan& plan, const Real* polynomials, const Real* u, const Real* coefficients, Real* mesh);
    /** Sums the meshes with the windows of the atoms from begin to end. */
    void (*gather)(const MeshPlan& plan, long begin, long end, const Real* polynomials, const Real* u, const Real* mesh, Real* derivatives);
};

/** Those of the best instruction set that this processor supports. */
template <class Real>
const TorchLoops<Real>& torchLoops();
const TorchPairLoops& torchPairLoops();
template <class Real>
const TorchMeshLoops<Real>& torchMeshLoops();

} // namespace PolarMPPlugin
