#pragma once
#include "openmm_polarmp/Moments.h"

namespace PolarMPPlugin {

/** The network's results, written to the moments' arrays of SourceBuffers. Charges as the network predicts them, not yet projected. */
struct Outputs {
    double energy;  // eV, the sum
    double* moments[NUM_MOMENTS];
};

/** Derivatives of a scalar with respect to the outputs. Null pointers: all zero. */
struct Cotangents {
    double energy = 0;
    const double* moments[NUM_MOMENTS] = {};
};

} // namespace PolarMPPlugin
