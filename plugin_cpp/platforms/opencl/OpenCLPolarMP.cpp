#include "CommonPolarMPKernels.h"
#include "openmm/opencl/OpenCLContext.h"
#include "openmm/opencl/OpenCLPlatform.h"
#include "openmm_polarmp/internal/KernelFactoryFor.h"

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

extern "C" void registerPlatforms() {
}

extern "C" void registerKernelFactories() {
    KernelFactoryFor::registerWith("OpenCL", [](const string& name, const Platform& platform, ContextImpl& context) -> KernelImpl* {
        // In a Context on several devices the first one computes this force.
        auto& contexts = static_cast<OpenCLPlatform::PlatformData*>(context.getPlatformData())->contexts;
        return new CommonCalcPolarMPForceKernel(name, platform, *contexts[0]);
    });
}
