#pragma once
#include "openmm_polarmp/MultipoleSource.h"
#include <cuda.h>
#include <memory>

namespace PolarMPPlugin {

/** Throws an exception with the name of the error if a call to the CUDA driver has failed. */
void checkCuda(CUresult result, const char* call);

/**
 * A device's primary context, which CUDA's runtime uses, and with it torch. OpenMM creates a private context and keeps it
 * current while it computes. The runtime does not notice, since the device is the same, and would use the private context:
 * launch kernels and record events in a context in which its streams do not exist.
 */
class PrimaryContext {
public:
    /** The context exists as long as this object. */
    explicit PrimaryContext(int deviceIndex);
    ~PrimaryContext();
    PrimaryContext(const PrimaryContext&) = delete;

    /** Makes the context the current one during its lifetime; afterwards the stack of contexts is as before. */
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

/** Wraps a source whose code uses CUDA's runtime: all calls, and its release, are made in the primary context. */
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
