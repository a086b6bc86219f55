#pragma once
#include "CellList.h"
#include "SourceLink.h"
#include "openmm_polarmp/NetworkSource.h"

namespace PolarMPPlugin {

/** The network evaluated on the device, in OpenMM's own context and queue: no host and no Python in a step. */
class DeviceNetwork : public SourceLink {
public:
    /**
     * @param atomOf    [N] OpenMM's atom of each particle
     * @param hasWarps  the device runs 32 threads in step and can tell them from each other by a ballot (CUDA)
     */
    DeviceNetwork(OpenMM::ComputeContext& cc, const NetworkSource& source, const SourceBuffers& description, SourceArrays& arrays,
                  OpenMM::ComputeArray& atomOf, bool hasWarps);
    void forward(bool includeGradients, const std::function<void()>& meanwhile) override;
    void backward(const double field[3]) override;
    double getConstantEnergy() const override {
        return constantEnergy;
    }

private:
    void updateBox();
    OpenMM::ComputeContext& cc;
    SourceArrays& arrays;
    const int numParticles;
    const bool periodic, projects;
    double constantEnergy = 0;  // eV, of the single atoms
    OpenMM::Vec3 box[3];
    CellList cells;
    OpenMM::ComputeArray kinds, weights, plain, saved, savedHeads, sums;
    OpenMM::ComputeKernel firstKernel, firstBackwardKernel, projectKernel, sumKernel;
    int threads = 0, blockSize = 0;
};

} // namespace PolarMPPlugin
