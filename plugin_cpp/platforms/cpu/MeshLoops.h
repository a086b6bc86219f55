#pragma once

namespace PolarMPPlugin {

/** Windows are padded to 8 or 16 points, which fill the processor's vectors. Padding points have zero weight. */
inline int paddedWidth(int width) {
    return width <= 8 ? 8 : 16;
}

/**
 * A mesh in memory, [x][y][z]. Rows are longer than the mesh, so that no window wraps around along z: what is spread beyond
 * the end is added to the row's beginning, and the beginning is repeated there for gathering.
 */
struct MeshShape {
    int size[3];
    long row, plane;  // stride from one row or plane to the next
    int overhang;     // a window's width minus one; its padding points lie further out, but within the row
};

/**
 * The inner loops of the mesh on the CPU, compiled for several instruction sets (MeshLoops.cpp) and chosen once at run time.
 *
 * An atom's window weights are w = paddedWidth(width) numbers for each axis and each order of derivative:
 * weights[((axis*4 + order)*w) + p]. Point charges have the first two orders only: weights[((axis*2 + order)*w) + p].
 */
template <class Real>
struct MeshLoops {
    /**
     * The window's weights along one axis.
     *
     * @param orders        4, or 2 for a point charge
     * @param coefficients  [degree+1][w]
     * @param t             f - 1/2 (see Window)
     */
    void (*window)(int width, int orders, int degree, const Real* coefficients, Real t, Real* weights);
    /**
     * Adds one atom to the planes of the mesh that lie in [firstPlane, lastPlane).
     *
     * @param source   q, mu (3), Q (xx xy xz yy yz zz, with the factors of 1/2 Q:grad grad inside) in grid units
     * @param start    first point of the window along each axis, within the mesh
     */
    void (*spread)(int width, const Real* source, const Real* weights, const int* start, const MeshShape& shape, Real* mesh, int firstPlane,
                   int lastPlane);
    /** The 20 derivatives up to the third in grid units: 1, x y z, then in the order of PAIR and TRIPLE. */
    void (*gather)(int width, const Real* weights, const int* start, const MeshShape& shape, const Real* mesh, Real* result);
    /** Adds a point charge, as spread() adds an atom. */
    void (*spreadCharge)(int width, Real charge, const Real* weights, const int* start, const MeshShape& shape, Real* mesh, int firstPlane,
                         int lastPlane);
    /** The value and the first derivatives x y z in grid units at a point charge. */
    void (*gatherGradient)(int width, const Real* weights, const int* start, const MeshShape& shape, const Real* mesh, Real* result);
};

/** The version for the chosen instruction set. */
template <class Real>
const MeshLoops<Real>& meshLoops();

} // namespace PolarMPPlugin
