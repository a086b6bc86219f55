#include "CommonPolarMPKernels.h"
#include "CudaLink.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/cuda/CudaPlatform.h"

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
    unique_ptr<SourceLink> createLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays) override {
        if (source.supportsDevice(SourceBuffers::CUDA))
            return make_unique<CudaLink>(cu, source, description, arrays);
        return CommonCalcPolarMPForceKernel::createLink(source, description, arrays);
    }

private:
    CudaContext& cu;
};

class CudaPolarMPKernelFactory : public KernelFactory {
public:
    KernelImpl* createKernelImpl(string name, const Platform& platform, ContextImpl& context) const override {
        auto& contexts = static_cast<CudaPlatform::PlatformData*>(context.getPlatformData())->contexts;
        if (name != CalcPolarMPForceKernel::Name())
            throw OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
        // With several devices the first one does all of our work.
        return new CudaCalcPolarMPForceKernel(name, platform, *contexts[0]);
    }
};

} // namespace

extern "C" void registerPlatforms() {
}

extern "C" void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        Platform& platform = Platform::getPlatform(i);
        if (platform.getName() == "CUDA")
            platform.registerKernelFactory(CalcPolarMPForceKernel::Name(), new CudaPolarMPKernelFactory());
    }
}
