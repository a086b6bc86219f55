#pragma once
#include "FourierPlan.h"
#include "MeshLoops.h"

namespace PolarMPPlugin {

/**
 * A real mesh and the half of its spectrum, [nx][ny][nz/2+1] with rows padded to whole cache lines, real
 * and imaginary parts in separate arrays. All pointers to the spectrum are aligned to cache lines.
 */
template <class Real>
struct MeshSpectrum {
    MeshShape shape;
    int row;     // stride from one row of the spectrum to the next
    long plane;  // and from one of its planes to the next
    Real *mesh, *re, *im;
    const Real* influence;  // factors of the spectrum, in the same layout
    const FourierPlan<Real>* plans[3];
};

/**
 * The convolution mesh -> spectrum * influence -> mesh in three parts, between which all threads wait for each other;
 * compiled for several instruction sets like MeshLoops. The transforms are not normalised.
 */
template <class Real>
struct MeshFourier {
    /** Along z and y, for planes first <= x < last. */
    void (*forwardPlanes)(const MeshSpectrum<Real>& data, int first, int last);
    /** Along x, times the influence, and back, for rows first <= y < last. */
    void (*convolveRows)(const MeshSpectrum<Real>& data, int first, int last);
    /** Back along y and z. */
    void (*backwardPlanes)(const MeshSpectrum<Real>& data, int first, int last);
};

/** The version for the chosen instruction set. */
template <class Real>
const MeshFourier<Real>& meshFourier();

} // namespace PolarMPPlugin
