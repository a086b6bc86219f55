#pragma once
#include "openmm/common/ComputeContext.h"
#include "openmm_polarmp/NetworkSource.h"
#include <memory>

namespace PolarMPPlugin {

/** The charge transfer of a device's network, computed on the host: it is wanted rarely, and needs no kernels of its own. */
class HostTransfer {
public:
    HostTransfer(OpenMM::ComputeContext& cc, const NetworkSource& source, bool periodic, const std::vector<int>& particles);
    ~HostTransfer();
    /**
     * @param positions  [N,3] A
     * @param cell       [3,3] A
     * @param transfer   [N,3,3] as for SourceEvaluation::chargeTransfer()
     */
    void compute(const OpenMM::ArrayInterface& positions, const double* cell, std::vector<double>& transfer);

private:
    class PoolThreads;
    NetworkSource source;
    std::unique_ptr<PoolThreads> threads;
    std::vector<double> positions, forces, flows[NUM_FLOW_VALUES];
    MomentArrays moments, gradients;
    double cell[9], energy = 0;
    std::unique_ptr<SourceEvaluation> evaluation;
};

} // namespace PolarMPPlugin
