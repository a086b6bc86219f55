#pragma once
#include "PrimaryContext.h"
#include "openmm/cuda/CudaContext.h"
#include <functional>

namespace PolarMPPlugin {

/**
 * Orders the work of OpenMM and of a source of moments. OpenMM queues its kernels in a stream of its private context, the
 * source in a stream of the device's primary context: pointers are valid in both, but the streams are not synchronized. An
 * event is recorded in one stream and waited for in the other, on the device; the host does not wait.
 *
 * OpenMM's context must be current when a method is called, and is current afterwards.
 */
class StreamHandover {
public:
    StreamHandover(OpenMM::CudaContext& cu, CUstream sourceStream);
    /** Waits until the source's stream is empty: OpenMM's arrays may be freed afterwards. */
    ~StreamHandover();
    StreamHandover(const StreamHandover&) = delete;
    /** Work that the source queues from now on waits for everything that OpenMM has queued. */
    void toSource();
    /**
     * Lets the source queue its work. Work that OpenMM queues afterwards waits for it, also if the source throws an
     * exception.
     */
    void letWork(const std::function<void()>& source);

private:
    CUresult toOpenMM();

    OpenMM::CudaContext& cu;
    const PrimaryContext primary;
    const CUstream sourceStream;
    CUevent openmmIsReady, sourceIsDone;
    const bool sourceWaits, openmmWaits;  // TestSwitches: tests/cuda/test_order.py shows that results are wrong without the waits
};

} // namespace PolarMPPlugin
