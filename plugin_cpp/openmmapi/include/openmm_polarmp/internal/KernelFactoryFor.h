#pragma once
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/PolarMPKernels.h"
#include <functional>

namespace PolarMPPlugin {

/** Makes a platform's only kernel of ours. */
class KernelFactoryFor : public OpenMM::KernelFactory {
public:
    using Make = std::function<OpenMM::KernelImpl*(const std::string& name, const OpenMM::Platform& platform, OpenMM::ContextImpl& context)>;
    explicit KernelFactoryFor(Make make) : make(make) {
    }
    OpenMM::KernelImpl* createKernelImpl(std::string name, const OpenMM::Platform& platform, OpenMM::ContextImpl& context) const override {
        if (name != CalcPolarMPForceKernel::Name())
            throw OpenMM::OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
        return make(name, platform, context);
    }

    /** Register a factory with the platform of this name, if OpenMM has it. */
    static void registerWith(const std::string& platformName, Make make) {
        for (int i = 0; i < OpenMM::Platform::getNumPlatforms(); i++) {
            OpenMM::Platform& platform = OpenMM::Platform::getPlatform(i);
            if (platform.getName() == platformName)
                platform.registerKernelFactory(CalcPolarMPForceKernel::Name(), new KernelFactoryFor(make));
        }
    }

private:
    const Make make;
};

} // namespace PolarMPPlugin
