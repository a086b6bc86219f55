#pragma once
#include "CellList.h"
#include "DeviceMovingCharges.h"
#include "HostTransfer.h"
#include "NetworkCode.h"
#include "SourceLink.h"
#include "openmm_polarmp/NetworkSource.h"

namespace PolarMPPlugin {

/** The network evaluated on the device, in OpenMM's context and queue, without the host and without Python. */
class DeviceNetwork : public SourceLink {
public:
    /**
     * @param atomOf    [N] OpenMM's atom of each particle
     * @param hasWarps  whether the device has warps of 32 threads that run in lockstep, with CUDA's ballot
     */
    DeviceNetwork(OpenMM::ComputeContext& cc, const NetworkSource& source, const SourceBuffers& description, SourceArrays& arrays,
                  OpenMM::ComputeArray& atomOf, bool hasWarps);
    void forward(bool includeGradients, const std::function<void()>& meanwhile) override;
    void backward(const double field[3]) override;
    void flow(const double field[3], bool responds) override;
    void getPairFlows(PairFlows& flows) override;
    bool chargeTransfer(std::vector<double>& transfer) override;
    double getConstantEnergy() const override {
        return constantEnergy;
    }

private:
    /** Kernels and arrays of one layer. */
    struct Layer {
        OpenMM::ComputeArray saved, sent;
        OpenMM::ComputeKernel message, forward, backward, messageBackward;
    };
    /** Launch sizes of the kernels of one program: threads per atom, atoms per work group, and what follows. */
    struct Launch {
        int lanes, atomsInGroup, threads, blockSize;
    };
    void allocate(const NetworkSource& source, const NetworkCode& code);
    void createAtomKernels(const NetworkCode& code, const std::map<std::string, std::string>& common, bool hasWarps);
    void createMessageKernels(const NetworkCode& code, const std::map<std::string, std::string>& common);
    void createEdgeKernels(OpenMM::ComputeProgram& program);
    void exchangeBackward(const double transferField[3]);
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
    void addFieldFromHost(const OpenMM::Vec3& field);
    void setReal(OpenMM::ComputeKernel& kernel, int index, double value) const;

    OpenMM::ComputeContext& cc;
    const NetworkSource source;
    SourceArrays& arrays;
    OpenMM::ComputeArray& atomOf;
    const NetworkParameters& parameters;
    const int numParticles, realSize;
    const bool periodic, projects;
    const int localMemory;  // bytes that a work group may use
    double constantEnergy = 0;  // eV, of the isolated atoms
    OpenMM::Vec3 box[3];
    CellList cells;
    OpenMM::ComputeArray kinds, weights, plain, densities, repulsions, savedHeads, sums, messages, messageSums, invariants;
    OpenMM::ComputeArray densityGradients, messageGradients, sentGradients, featureGradients, invariantGradients;
    OpenMM::ComputeArray edgeNumbers, edgeGradients, pairCounts;
    OpenMM::Vec3 flowField;  // of the last flow(), V/A
    bool responds = false;   // whether charge has flowed
    std::vector<Layer> layers;
    std::vector<OpenMM::ComputeKernel> searching;  // kernels that search for neighbours
    OpenMM::ComputeKernel densityKernel, forcesKernel, projectKernel, sumKernel;
    OpenMM::ComputeKernel exchangeKernel, flowKernel, exchangeBackKernel, listKernel;  // of networks whose charges flow
    Launch atomLaunch, messageLaunch;
    std::map<std::string, std::string> fieldDefines;
    std::unique_ptr<DeviceMovingCharges> movingCharges;  // created when a field first acts
    const std::vector<int> particles;                    // the System's index of each
    std::unique_ptr<HostTransfer> hostTransfer;          // created when it is first asked for
    bool hasHostForces = false;                          // in arrays.forces, which are zero otherwise
};

} // namespace PolarMPPlugin
