#pragma once

namespace PolarMPPlugin {

/** What the network gives: of each particle, in the shapes of SourceBuffers. Charges as the network has them, not yet projected. */
struct Outputs {
    double energy;  // eV, the sum
    double *charges, *dipoles, *quadrupoles, *softness, *polarizability;
};

/** Derivatives of something by the outputs. Null pointers: all zero. */
struct Cotangents {
    double energy = 0;
    const double *charges = nullptr, *dipoles = nullptr, *quadrupoles = nullptr, *softness = nullptr, *polarizability = nullptr;
};

} // namespace PolarMPPlugin
