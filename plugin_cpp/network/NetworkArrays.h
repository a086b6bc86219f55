#pragma once
#include "openmm_polarmp/Moments.h"

namespace PolarMPPlugin {

/** The network's results, written to the moments' arrays of SourceBuffers. Charges as the network predicts them, not yet projected. */
struct Outputs {
    double energy;  // eV, the sum
    double* moments[NUM_MOMENTS];
    // of networks whose neighbours exchange charge
    double *localCharges, *flowPolarizability;
};

/** What makes charge flow between neighbours: Phi' of each particle (V) and the latent field (V/A). */
struct FlowPotential {
    const double* potential;
    double field[3];
    bool responds;  // whether it flows
};

/** Derivatives by what the pairs of neighbours have, beside those by the charges. */
struct FlowCotangents {
    FlowPotential flow;
    double transferField[3];  // -E.d_ij is the derivative by t_ij at given charges
};

/** Derivatives of a scalar with respect to the outputs. Null pointers: all zero. */
struct Cotangents {
    double energy = 0;
    const double* moments[NUM_MOMENTS] = {};
    /** Null: those by the charges before neighbours exchange some. */
    const FlowCotangents* flows = nullptr;
};

} // namespace PolarMPPlugin
