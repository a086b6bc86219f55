#include "CommonPolarMPKernels.h"
#include "CudaLink.h"
#include "PrimaryContext.h"
#include "openmm/common/ContextSelector.h"
#include "openmm/cuda/CudaPlatform.h"
#include "openmm_polarmp/internal/KernelFactoryFor.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

class CudaCalcPolarMPForceKernel : public CommonCalcPolarMPForceKernel {
public:
    CudaCalcPolarMPForceKernel(const string& name, const Platform& platform, CudaContext& cu)
            : CommonCalcPolarMPForceKernel(name, platform, cu), cu(cu) {
    }

protected:
    shared_ptr<MultipoleSource> wrap(shared_ptr<MultipoleSource> source) override {
        if (source->usesCudaRuntime() || source->supportsDevice(SourceBuffers::CUDA))
            return make_shared<PrimaryContextSource>(cu.getDeviceIndex(), source);
        return source;
    }
    unique_ptr<SourceLink> createLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays) override {
        if (source.supportsDevice(SourceBuffers::CUDA))
            return make_unique<CudaLink>(cu, source, description, arrays);
        return CommonCalcPolarMPForceKernel::createLink(source, description, arrays);
    }
    bool hasWarps() const override {
        return true;
    }
    shared_ptr<void> allocateHostMemory(size_t bytes) override {
        void* memory;
        checkCuda(cuMemHostAlloc(&memory, bytes, 0), "cuMemHostAlloc");
        return shared_ptr<void>(memory, [&context = cu](void* memory) {
            ContextSelector selector(context);
            cuMemFreeHost(memory);
        });
    }

private:
    CudaContext& cu;
};

} // namespace

extern "C" void registerPlatforms() {
}

extern "C" void registerKernelFactories() {
    KernelFactoryFor::registerWith("CUDA", [](const string& name, const Platform& platform, ContextImpl& context) -> KernelImpl* {
        // In a Context on several devices the first one computes this force.
        auto& contexts = static_cast<CudaPlatform::PlatformData*>(context.getPlatformData())->contexts;
        return new CudaCalcPolarMPForceKernel(name, platform, *contexts[0]);
    });
}
