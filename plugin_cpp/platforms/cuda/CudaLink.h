#pragma once
#include "SourceLink.h"
#include "StreamHandover.h"

namespace PolarMPPlugin {

/**
 * A source that reads and writes OpenMM's arrays on the GPU without copies. It works in the primary context, which
 * PrimaryContextSource makes current, and in the stream that its evaluation names.
 */
class CudaLink : public SourceLink {
public:
    CudaLink(OpenMM::CudaContext& cu, MultipoleSource& source, SourceBuffers description, SourceArrays& arrays);
    void forward(bool includeGradients, const std::function<void()>& meanwhile) override;
    void backward(const double field[3]) override;
    void flow(const double field[3], bool responds) override;
    void getPairFlows(PairFlows& flows) override;

private:
    // Declared last and thus destroyed first: the handover's destructor waits for the work that the evaluation has queued.
    std::unique_ptr<SourceEvaluation> evaluation;
    std::unique_ptr<StreamHandover> handover;
};

} // namespace PolarMPPlugin
