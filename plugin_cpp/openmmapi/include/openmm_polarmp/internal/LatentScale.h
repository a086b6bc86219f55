#pragma once
#include "openmm_polarmp/MultipoleSource.h"
#include "openmm_polarmp/PolarMPForce.h"

namespace PolarMPPlugin {

/** s of theory.md section 6: physical moments are s times the latent ones, and a field E0 acts as s E0. */
class LatentScale {
public:
    LatentScale() = default;
    LatentScale(const PolarMPForce& force, const MomentSet& moments);
    /** @param chi  4 pi k_e tr(alpha)/3 / V of a box, 0 for a cluster. Not a number where a one-step response has chi >= 1. */
    double of(double chi) const;
    /** As of(), for a field that acts: throws an OpenMMException where there is no scale. */
    double ofField(double chi) const;
    /** Whether induced moments answer the permanent ones only, and conserve charge: a slow wave's energy falls by 1 - chi. */
    bool isOneStep() const {
        return oneStep;
    }

private:
    double epsInf = 1;
    bool oneStep = false;
};

} // namespace PolarMPPlugin
