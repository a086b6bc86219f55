#pragma once
#include "openmm_polarmp/MultipoleSource.h"
#include <nanobind/nanobind.h>

namespace PolarMPPlugin {

/**
 * A source of moments that is a Python object (openmm_polarmp/sources/protocol.py specifies what it must provide). Its tensors
 * are views of the kernel's buffers.
 */
class PythonSource : public MultipoleSource {
public:
    explicit PythonSource(nanobind::object source);
    ~PythonSource() override;
    MomentSet getMomentSet() const override {
        return moments;
    }
    int getNumParticles() const override {
        return numParticles;
    }
    bool supportsDevice(SourceBuffers::Device device) const override {
        return device == SourceBuffers::Host || supportsCuda;
    }
    bool usesCudaRuntime() const override {
        return true;  // it may call anything
    }
    std::unique_ptr<SourceEvaluation> bind(const SourceBuffers& buffers) override;
    nanobind::object getObject() const {
        return source;
    }

private:
    nanobind::object source;
    MomentSet moments;
    int numParticles;
    bool supportsCuda;
};

/** Drops a reference from a thread that may not hold the GIL, perhaps after Python has ended. */
void discard(nanobind::object& object);

void bindSources(nanobind::module_& m);

} // namespace PolarMPPlugin
