#pragma once
#include "SourceLink.h"
#include "openmm/Vec3.h"
#include <functional>
#include <map>
#include <string>

namespace PolarMPPlugin {

/** The force of a network's charges, which move with the atoms, in a uniform field in a periodic box: kernels/networkField.cc. */
class DeviceMovingCharges {
public:
    /**
     * @param reach  A, the distance within which a charge depends on other atoms
     * @param box    [18] the box and its inverse, in the layout of kernels/cells.cc
     */
    DeviceMovingCharges(OpenMM::ComputeContext& cc, int numParticles, double reach, const std::map<std::string, std::string>& defines,
                        OpenMM::ComputeArray& positions, OpenMM::ComputeArray& box, OpenMM::ComputeArray& atomOf);
    /**
     * Adds to OpenMM's forces, unless the box is too thin or as many slabs would be needed as there are atoms.
     *
     * @return          whether it has
     * @param field     latent, V/A
     * @param vectors   the box, A
     * @param backward  queues a backward pass that takes getOffsets() for the derivatives by the charges, zero for all others, and
     *                  adds its forces to getForces()
     */
    bool addForces(const OpenMM::Vec3& field, const OpenMM::Vec3 vectors[3], const std::function<void()>& backward);
    OpenMM::ComputeArray& getOffsets() {
        return offsets;
    }
    OpenMM::ComputeArray& getForces() {
        return forces;
    }
    /** Zero derivatives by the other moments, and zero sums of charges and of derivatives by them. */
    OpenMM::ComputeArray zeros, zeroSums;

private:
    void addSlabs(const double strengths[3], const int slabs[3], const std::function<void()>& backward);
    OpenMM::ComputeContext& cc;
    const int numParticles;
    const double reach;
    OpenMM::ComputeArray offsets, forces;
    OpenMM::ComputeKernel offsetsKernel, fillKernel, slabKernel, centerKernel;
};

} // namespace PolarMPPlugin
