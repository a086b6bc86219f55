#pragma once
#include "openmm_polarmp/MultipoleSource.h"
#include <cuda.h>
#include <memory>

namespace PolarMPPlugin {

/** Throws an exception with the name of the error, if the result of a call to the CUDA driver is one. */
void checkCuda(CUresult result, const char* call);

/**
 * The context of a device that CUDA's runtime uses, and with it torch. OpenMM makes a private context and keeps it
 * current while it computes. The runtime does not notice, since the device is the right one, and would work in it:
 * launch kernels where its streams do not exist, record events where its streams are not.
 */
class PrimaryContext {
public:
    /** The context exists as long as this object. */
    explicit PrimaryContext(int deviceIndex);
    ~PrimaryContext();
    PrimaryContext(const PrimaryContext&) = delete;

    /** Makes the context the current one for a while; afterwards the stack of contexts is as it was. */
    class Current {
    public:
        explicit Current(const PrimaryContext& primary);
        ~Current();
        Current(const Current&) = delete;

    private:
        bool pushed;
    };

private:
    CUdevice device;
    CUcontext context;
};

/** A source whose code uses CUDA's runtime. Whatever is asked of it, and its release, happens in the primary context. */
class PrimaryContextSource : public MultipoleSource {
public:
    PrimaryContextSource(int deviceIndex, std::shared_ptr<MultipoleSource> source);
    ~PrimaryContextSource() override;
    MomentSet getMomentSet() const override {
        return source->getMomentSet();
    }
    int getNumParticles() const override {
        return source->getNumParticles();
    }
    bool supportsDevice(SourceBuffers::Device device) const override {
        return source->supportsDevice(device);
    }
    std::unique_ptr<SourceEvaluation> bind(const SourceBuffers& buffers) override;

private:
    const std::shared_ptr<PrimaryContext> primary;
    std::shared_ptr<MultipoleSource> source;
};

} // namespace PolarMPPlugin
