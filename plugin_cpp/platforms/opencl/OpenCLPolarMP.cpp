#include "CommonPolarMPKernels.h"
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm/opencl/OpenCLContext.h"
#include "openmm/opencl/OpenCLPlatform.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

class OpenCLPolarMPKernelFactory : public KernelFactory {
public:
    KernelImpl* createKernelImpl(string name, const Platform& platform, ContextImpl& context) const override {
        auto& contexts = static_cast<OpenCLPlatform::PlatformData*>(context.getPlatformData())->contexts;
        if (name != CalcPolarMPForceKernel::Name())
            throw OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
        // With several devices the first one does all of our work.
        return new CommonCalcPolarMPForceKernel(name, platform, *contexts[0]);
    }
};

} // namespace

extern "C" void registerPlatforms() {
}

extern "C" void registerKernelFactories() {
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        Platform& platform = Platform::getPlatform(i);
        if (platform.getName() == "OpenCL")
            platform.registerKernelFactory(CalcPolarMPForceKernel::Name(), new OpenCLPolarMPKernelFactory());
    }
}
