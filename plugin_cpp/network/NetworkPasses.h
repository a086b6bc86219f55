#pragma once
#include "PairList.h"

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

/** Two particles at the same place: thrown by forward(). */
struct Overlap {
    int first, second;
};

/** The network's two passes. What backward() needs of forward() is kept until the next forward(). */
class NetworkPasses {
public:
    virtual ~NetworkPasses() = default;
    /**
     * @param pairs     up to date
     * @param searched  whether the pairs were searched since the last call
     */
    virtual void forward(const PairList& pairs, bool searched, Outputs& outputs) = 0;
    /** Gradient [N,3] by the particles' positions. May be called several times. */
    virtual void backward(const PairList& pairs, const Cotangents& cotangents, double* gradient) = 0;
};

} // namespace PolarMPPlugin
