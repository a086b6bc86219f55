#include "PrimaryContext.h"
#include "openmm/OpenMMException.h"
#include <string>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

void PolarMPPlugin::checkCuda(CUresult result, const char* call) {
    if (result == CUDA_SUCCESS)
        return;
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    throw OpenMMException("PolarMPForce: " + string(call) + " failed: " + (name == nullptr ? to_string((int) result) : name));
}

PrimaryContext::PrimaryContext(int deviceIndex) {
    checkCuda(cuDeviceGet(&device, deviceIndex), "cuDeviceGet");
    checkCuda(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
}

PrimaryContext::~PrimaryContext() {
    cuDevicePrimaryCtxRelease(device);
}

PrimaryContext::Current::Current(const PrimaryContext& primary) {
    // No exception: destructors use this too, possibly after the driver has been shut down.
    pushed = (cuCtxPushCurrent(primary.context) == CUDA_SUCCESS);
}

PrimaryContext::Current::~Current() {
    CUcontext popped;
    if (pushed)
        cuCtxPopCurrent(&popped);
}

namespace {

class PrimaryContextEvaluation : public SourceEvaluation {
public:
    PrimaryContextEvaluation(shared_ptr<PrimaryContext> primary, unique_ptr<SourceEvaluation> evaluation)
            : primary(primary), evaluation(move(evaluation)) {
    }
    ~PrimaryContextEvaluation() override {
        PrimaryContext::Current current(*primary);
        evaluation.reset();
    }
    void forward(bool includeGradients) override {
        PrimaryContext::Current current(*primary);
        evaluation->forward(includeGradients);
    }
    void backward(const double field[3]) override {
        PrimaryContext::Current current(*primary);
        evaluation->backward(field);
    }
    void flow(const double field[3], bool responds) override {
        PrimaryContext::Current current(*primary);
        evaluation->flow(field, responds);
    }
    void getPairFlows(PairFlows& flows) override {
        PrimaryContext::Current current(*primary);
        evaluation->getPairFlows(flows);
    }
    bool isConstant() const override {
        return evaluation->isConstant();
    }
    void* getStream() const override {
        return evaluation->getStream();
    }

private:
    const shared_ptr<PrimaryContext> primary;
    unique_ptr<SourceEvaluation> evaluation;
};

} // namespace

PrimaryContextSource::PrimaryContextSource(int deviceIndex, shared_ptr<MultipoleSource> source)
        : primary(make_shared<PrimaryContext>(deviceIndex)), source(source) {
}

PrimaryContextSource::~PrimaryContextSource() {
    // This may be the last reference to a network on the device.
    PrimaryContext::Current current(*primary);
    source.reset();
}

unique_ptr<SourceEvaluation> PrimaryContextSource::bind(const SourceBuffers& buffers) {
    PrimaryContext::Current current(*primary);
    return make_unique<PrimaryContextEvaluation>(primary, source->bind(buffers));
}
