#pragma once
#include "FourierPlan.h"
#include "MeshLoops.h"

namespace PolarMPPlugin {

/**
 * A real mesh and the half of its spectrum, [nx][ny][nz/2+1] with rows filled up to whole cache lines, real
 * and imaginary parts apart. All pointers to the spectrum are aligned to cache lines.
 */
template <class Real>
struct MeshSpectrum {
    MeshShape shape;
    int row;     // numbers in a row of the spectrum
    long plane;  // and from one of its planes to the next
    Real *mesh, *re, *im;
    const Real* influence;  // what the spectrum is multiplied by, laid out like it
    const FourierPlan<Real>* plans[3];
};

/**
 * The convolution mesh -> spectrum * influence -> mesh in three parts, between which all threads wait for each other;
 * compiled several times like MeshLoops. Nothing is normalised.
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

/** The fastest version that this processor can run. */
template <class Real>
const MeshFourier<Real>& meshFourier();

} // namespace PolarMPPlugin
