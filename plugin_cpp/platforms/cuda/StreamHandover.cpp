#include "StreamHandover.h"
#include "openmm_polarmp/internal/TestSwitches.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

StreamHandover::StreamHandover(CudaContext& cu, CUstream sourceStream)
        : cu(cu), primary(cu.getDeviceIndex()), sourceStream(sourceStream), sourceWaits(testSwitches().sourceWaits),
          openmmWaits(testSwitches().openmmWaits) {
    checkCuda(cuEventCreate(&openmmIsReady, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    PrimaryContext::Current current(primary);
    CUresult result = cuEventCreate(&sourceIsDone, CU_EVENT_DISABLE_TIMING);
    if (result != CUDA_SUCCESS)
        cuEventDestroy(openmmIsReady);
    checkCuda(result, "cuEventCreate");
}

StreamHandover::~StreamHandover() {
    cuEventDestroy(openmmIsReady);
    PrimaryContext::Current current(primary);
    cuStreamSynchronize(sourceStream);
    cuEventDestroy(sourceIsDone);
}

void StreamHandover::toSource() {
    checkCuda(cuEventRecord(openmmIsReady, cu.getCurrentStream()), "cuEventRecord");
    PrimaryContext::Current current(primary);
    if (sourceWaits)
        checkCuda(cuStreamWaitEvent(sourceStream, openmmIsReady, 0), "cuStreamWaitEvent");
}

void StreamHandover::letWork(const function<void()>& source) {
    try {
        source();
    }
    catch (...) {
        toOpenMM();  // its result is ignored: the source's exception is more informative
        throw;
    }
    checkCuda(toOpenMM(), "the wait for the source of moments");
}

CUresult StreamHandover::toOpenMM() {
    CUresult result;
    {
        PrimaryContext::Current current(primary);
        result = cuEventRecord(sourceIsDone, sourceStream);
    }
    if (result == CUDA_SUCCESS && openmmWaits)
        result = cuStreamWaitEvent(cu.getCurrentStream(), sourceIsDone, 0);
    return result;
}
