#pragma once
#include "CellList.h"
#include "DeviceMovingCharges.h"
#include "NetworkCode.h"
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
    /** Kernels and arrays of one layer. */
    struct Layer {
        OpenMM::ComputeArray saved, sent;
        OpenMM::ComputeKernel message, forward, backward, messageBackward;
    };
    /** Kernels of one program: how many threads an atom has, and how many atoms a work group. */
    struct Launch {
        int lanes, atomsInGroup, threads, blockSize;
    };
    void allocate(const NetworkSource& source, const NetworkCode& code);
    void createAtomKernels(const NetworkCode& code, const std::map<std::string, std::string>& common, bool hasWarps);
    void createMessageKernels(const NetworkCode& code, const std::map<std::string, std::string>& common);
    Launch launchFor(int lanes, int realsOfAtom, int integersOfAtom, bool inWarp) const;
    void updateBox();
    /** What a backward pass starts from, and where its forces go. */
    struct Cotangents {
        double energy;
        OpenMM::ComputeArray* moments[NUM_MOMENTS];
        OpenMM::ComputeArray& sums;
        OpenMM::ArrayInterface& forces;
    };
    void runBackward(const Cotangents& from);
    void setReal(OpenMM::ComputeKernel& kernel, int index, double value) const;

    OpenMM::ComputeContext& cc;
    SourceArrays& arrays;
    OpenMM::ComputeArray& atomOf;
    const NetworkParameters& parameters;
    const int numParticles, realSize;
    const bool periodic, projects;
    const int localMemory;  // bytes that a work group may take
    double constantEnergy = 0;  // eV, of the single atoms
    OpenMM::Vec3 box[3];
    CellList cells;
    OpenMM::ComputeArray kinds, weights, plain, densities, repulsions, savedHeads, sums, messages, messageSums, invariants;
    OpenMM::ComputeArray densityGradients, messageGradients, sentGradients, featureGradients, invariantGradients;
    std::vector<Layer> layers;
    std::vector<OpenMM::ComputeKernel> searching;  // kernels that look for neighbours
    OpenMM::ComputeKernel densityKernel, forcesKernel, projectKernel, sumKernel;
    Launch atomLaunch, messageLaunch;
    std::map<std::string, std::string> fieldDefines;
    std::unique_ptr<DeviceMovingCharges> movingCharges;  // made when there is a field
};

} // namespace PolarMPPlugin
