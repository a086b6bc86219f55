#pragma once

namespace PolarMPPlugin {

// A network's weights and couplings as the vectorised loops read them: plain arrays in the loops' precision. There is no
// function here, because the loops are compiled for instruction sets that the rest of the library must not use.
// NetworkPlanBuilder creates them.

/** Harmonics up to degree l = 2. */
constexpr int MAX_DEGREES = 3;
/** Products of up to four factors: of two, three and four. */
constexpr int MAX_PRODUCTS = 3;

/** One linear map of the channels for each degree. */
template <class Real>
struct Mixing {
    int outputs;
    int inputs[MAX_DEGREES];
    const Real* weights[MAX_DEGREES];     // [inputs][outputs]
    const Real* transposed[MAX_DEGREES];  // [outputs][inputs]
    const Real* bias;                     // [outputs], of degree 0; may be null
};

template <class Real>
struct BilinearTerm {
    int left, right;
    Real value;
};

/** y[k] = sum value * a[left] * b[right] over the terms first[k] ... first[k + 1]. */
template <class Real>
struct BilinearMap {
    int outputs;
    const int* first;
    const BilinearTerm<Real>* terms;
};

/** A coupling of degree left with degree right to degree l > 0 in the last product of the last layer. */
template <class Real>
struct CouplingPath {
    int left, right, l;
    int input;                         // the first of the path's rows in the mixing of its degree
    int numTerms;
    const BilinearTerm<Real>* terms;   // left: components i, j of the factors as i * (2 right + 1) + j; right: component of the result
};

/** Products of an atom's density with itself, their mixing and the gate. */
template <class Real>
struct Products {
    int lOut;          // highest degree of the features
    int factors;       // in the longest products
    // for the products of 2, 3, ... factors; of the longest product in the last layer only scalars, the rest is in `lastPaths`
    int paths[MAX_PRODUCTS][MAX_DEGREES];
    BilinearMap<Real> couple[MAX_PRODUCTS];   // (shorter product, density) -> rows
    BilinearMap<Real> byLeft[MAX_PRODUCTS];   // (gradient by rows, density) -> gradient by the shorter product
    BilinearMap<Real> byRight[MAX_PRODUCTS];  // (gradient by rows, shorter product) -> gradient by the density; not for 2 factors
    Mixing<Real> between[MAX_PRODUCTS], mixing, gate;
    int numLastPaths;
    const CouplingPath<Real>* lastPaths;
};

/** How a layer after the first uses what the neighbours send. */
template <class Real>
struct Messages {
    int channels, parts;      // of what is sent; parts: number of components
    int rowSize;              // of what an atom sends: parts * channels, padded to whole vectors
    int paths[MAX_DEGREES];   // of couplings of vectors with harmonics
    int numRows;
    BilinearMap<Real> couple, byVectors;  // terms' left: part * harmonics + harmonic, or row; right is not used
    Mixing<Real> sender, mixing, join;
    int lPrevious;            // highest degree of the previous layer's features
};

/** A head that sums the channels' vectors or tensors with weights. */
struct TensorHead {
    enum Moment { Dipole, Quadrupole, Anisotropy } moment;
    int l;
    int row;  // where its weights begin among the last map's outputs
};

/** The heads of pairs. */
template <class Real>
struct EdgePlan {
    bool transfers, conducts;
    int row;      // where the atoms' numbers u_n, v_n, s begin among the last map's outputs
    int rowSize;  // of an atom's u_n and v_n, padded to whole vectors
    Real transferUnit, conductanceUnit;              // of radial functions with their scale
    const Real *transferTable, *conductanceTable;    // [kind of the receiver][kind of the sender][radial function]
};

template <class Real>
struct NetworkPlan {
    int numKinds, layers, lMax, harmonics, channels, numRadial, hidden;
    Real cutoff, radialScale;  // scale of the radial functions times their norm
    Real densityLimit;         // norm of a degree of a channel's density; 0: no limit
    const Real* embedding;     // [kinds][channels]
    Mixing<Real> density;      // rows: kind, radial function
    Products<Real> products[3];
    Messages<Real> messages[3];  // of each layer; the first is not used

    Real perChannel;  // 1 / sqrt(channels)
    int numOutputs;   // of the last map
    int charge, softness, polarizability;  // rows of the last map, or -1
    const double* formalCharges;           // e, of each kind; null: charges are a head's
    EdgePlan<Real> edges;
    int numHeads;
    TensorHead heads[3];
    const Real* speciesHidden;  // [kinds][hidden], with the bias of the trunk
    Mixing<Real> trunk, final;
    bool tensorPolarizability;
    double largestSoftness, largestPolarizability;
    const double* electronegativities;  // of each kind; null: charges do not follow from electronegativities
    const double *energyScale, *energyShift;
    double tensors[5][9];  // components of l = 2 to a matrix

    bool repulsion;
    const Real *repulsionNumber, *repulsionPower, *repulsionRadius;  // of each kind: Z, Z^0.23, covalent radius
};

} // namespace PolarMPPlugin
