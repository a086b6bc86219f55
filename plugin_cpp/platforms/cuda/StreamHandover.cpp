#include "StreamHandover.h"
#include "openmm/OpenMMException.h"
#include <cstdlib>
#include <string>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

void check(CUresult result, const char* what) {
    if (result == CUDA_SUCCESS)
        return;
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    throw OpenMMException("PolarMPForce: " + string(what) + " failed: " + (name == nullptr ? to_string((int) result) : name));
}

/** Makes a context current and puts the old one back. */
class Current {
public:
    explicit Current(CUcontext context) {
        check(cuCtxPushCurrent(context), "cuCtxPushCurrent");
    }
    ~Current() {
        CUcontext popped;
        cuCtxPopCurrent(&popped);
    }
};

} // namespace

StreamHandover::StreamHandover(CudaContext& cu, CUstream sourceStream)
        : cu(cu), sourceStream(sourceStream), waits(getenv("POLARMP_TEST_WITHOUT_WAIT") == nullptr) {
    check(cuDeviceGet(&device, cu.getDeviceIndex()), "cuDeviceGet");
    check(cuDevicePrimaryCtxRetain(&primary, device), "cuDevicePrimaryCtxRetain");
    check(cuEventCreate(&openmmIsReady, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    Current current(primary);
    check(cuEventCreate(&sourceIsDone, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
}

StreamHandover::~StreamHandover() {
    cuEventDestroy(openmmIsReady);
    if (cuCtxPushCurrent(primary) == CUDA_SUCCESS) {
        CUcontext popped;
        cuEventDestroy(sourceIsDone);
        cuCtxPopCurrent(&popped);
    }
    cuDevicePrimaryCtxRelease(device);
}

void StreamHandover::toSource() {
    check(cuEventRecord(openmmIsReady, cu.getCurrentStream()), "cuEventRecord");
    Current current(primary);
    if (waits)
        check(cuStreamWaitEvent(sourceStream, openmmIsReady, 0), "cuStreamWaitEvent");
}

void StreamHandover::toOpenMM() {
    {
        Current current(primary);
        check(cuEventRecord(sourceIsDone, sourceStream), "cuEventRecord");
    }
    if (waits)
        check(cuStreamWaitEvent(cu.getCurrentStream(), sourceIsDone, 0), "cuStreamWaitEvent");
}
