#pragma once
#include "SourceLink.h"
#include "StreamHandover.h"

namespace PolarMPPlugin {

/**
 * A source that reads and writes OpenMM's arrays on the GPU itself: nothing is copied. The source works in the primary
 * context (PrimaryContextSource sees to it), in the stream that its evaluation names.
 */
class CudaLink : public SourceLink {
public:
    CudaLink(OpenMM::CudaContext& cu, MultipoleSource& source, SourceBuffers description, SourceArrays& arrays);
    void forward(bool includeGradients, const std::function<void()>& meanwhile) override;
    void backward(const double field[3]) override;

private:
    // The handover goes first: its destructor waits for what the evaluation has queued.
    std::unique_ptr<SourceEvaluation> evaluation;
    std::unique_ptr<StreamHandover> handover;
};

} // namespace PolarMPPlugin
