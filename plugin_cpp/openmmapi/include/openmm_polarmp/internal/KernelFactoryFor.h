#pragma once
#include "openmm/KernelFactory.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/PolarMPKernels.h"
#include <functional>

namespace PolarMPPlugin {

/** Creates the plugin's only kernel on a platform. */
class KernelFactoryFor : public OpenMM::KernelFactory {
public:
    using Create = std::function<OpenMM::KernelImpl*(const std::string& name, const OpenMM::Platform& platform, OpenMM::ContextImpl& context)>;
    explicit KernelFactoryFor(Create create) : create(create) {
    }
    OpenMM::KernelImpl* createKernelImpl(std::string name, const OpenMM::Platform& platform, OpenMM::ContextImpl& context) const override {
        if (name != CalcPolarMPForceKernel::Name())
            throw OpenMM::OpenMMException("Tried to create kernel with illegal kernel name '" + name + "'");
        return create(name, platform, context);
    }

    /** Registers a factory with the platform of this name, if OpenMM has it. */
    static void registerWith(const std::string& platformName, Create create) {
        for (int i = 0; i < OpenMM::Platform::getNumPlatforms(); i++) {
            OpenMM::Platform& platform = OpenMM::Platform::getPlatform(i);
            if (platform.getName() == platformName)
                platform.registerKernelFactory(CalcPolarMPForceKernel::Name(), new KernelFactoryFor(create));
        }
    }

private:
    const Create create;
};

} // namespace PolarMPPlugin
