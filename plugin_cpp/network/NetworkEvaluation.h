#pragma once
#include "NetworkPasses.h"
#include "openmm_polarmp/NetworkSource.h"
#include <memory>

namespace PolarMPPlugin {

/** One Context's use of a NetworkSource in host memory: neighbours, projection of the charges and the external field. */
class NetworkEvaluation : public SourceEvaluation {
public:
    NetworkEvaluation(const NetworkSource& source, const SourceBuffers& buffers, std::unique_ptr<NetworkPasses> passes);
    void forward(bool includeGradients) override;
    void backward(const double field[3]) override;
    void flow(const double field[3], bool responds) override;
    void getPairFlows(PairFlows& flows) override;
    bool chargeTransfer(double* transfer) override;
    bool usesThreads() const override {
        return buffers.threads != nullptr;
    }

private:
    const SourceBuffers buffers;
    const bool charges, flows, projected;
    const double totalCharge;
    PairList pairs;
    std::unique_ptr<NetworkPasses> passes;
    std::vector<double> chargeCotangents, chargeGradient, transfer;
    FlowPotential flowed;  // the last flow()
};

} // namespace PolarMPPlugin
