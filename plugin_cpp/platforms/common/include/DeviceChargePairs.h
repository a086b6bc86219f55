#pragma once
#include "DevicePotential.h"

namespace PolarMPPlugin {

/**
 * Pairs of an atom and a point charge (kernels/chargePairs.cc): all of them in a cluster; in a periodic box what charges that are
 * points have beyond the mesh's smeared ones.
 */
class DeviceChargePairs {
public:
    /**
     * @param sigma    in A
     * @param defines  macros for the kernels of the response
     */
    DeviceChargePairs(OpenMM::ComputeContext& cc, double sigma, SourceArrays& source, ResponseArrays& response, ChargeArrays& charges,
                      std::map<std::string, std::string> defines);
    /** @param box  in A */
    void setBox(const OpenMM::Vec3 box[3]);
    /** Sets the charges' potential at the atoms, or adds to it in a periodic box. */
    void potentialOfCharges();
    /** Sets the forces on the charges, or adds to them in a periodic box. */
    void forcesOnCharges();

private:
    OpenMM::ComputeContext& cc;
    const double sigma;
    ChargeArrays& charges;
    const int numParticles;
    OpenMM::ComputeArray parts, box;
    OpenMM::ComputeKernel sumKernel, addKernel, forcesKernel;
};

} // namespace PolarMPPlugin
