#pragma once
#include "openmm/cuda/CudaContext.h"
#include <cuda.h>

namespace PolarMPPlugin {

/**
 * Puts the work of OpenMM and of a source of moments in order. OpenMM queues its kernels in a stream of its private
 * context, torch in a stream of the device's primary context: pointers are valid in both, the order is not. An event
 * is recorded in one stream and waited for in the other, on the device; the host waits for nothing.
 *
 * OpenMM's context must be current when a method is called, and is current afterwards.
 */
class StreamHandover {
public:
    StreamHandover(OpenMM::CudaContext& cu, CUstream sourceStream);
    ~StreamHandover();
    StreamHandover(const StreamHandover&) = delete;
    /** What the source queues from now on waits for everything that OpenMM has queued. */
    void toSource();
    /** What OpenMM queues from now on waits for everything that the source has queued. */
    void toOpenMM();

private:
    OpenMM::CudaContext& cu;
    CUstream sourceStream;
    CUdevice device;
    CUcontext primary;
    CUevent openmmIsReady, sourceIsDone;
    // With POLARMP_TEST_WITHOUT_WAIT set nothing waits: tests/test_cuda_order.py shows that results are wrong then.
    bool waits;
};

} // namespace PolarMPPlugin
