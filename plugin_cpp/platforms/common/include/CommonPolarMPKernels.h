#pragma once
#include "AsyncDownload.h"
#include "DeviceChecks.h"
#include "DevicePotential.h"
#include "SourceLink.h"
#include "openmm_polarmp/PolarMPKernels.h"

namespace PolarMPPlugin {

/** One step (docs/design.md) on a device, written once for CUDA, OpenCL and HIP. */
class CommonCalcPolarMPForceKernel : public CalcPolarMPForceKernel {
public:
    CommonCalcPolarMPForceKernel(const std::string& name, const OpenMM::Platform& platform, OpenMM::ComputeContext& cc)
            : CalcPolarMPForceKernel(name, platform), cc(cc) {
    }
    ~CommonCalcPolarMPForceKernel() override;
    void initialize(const OpenMM::System& system, const PolarMPForce& force) override;
    double execute(OpenMM::ContextImpl& context, bool includeForces, bool isState) override;
    bool isCurrent(OpenMM::ContextImpl& context) override;
    void getStepData(OpenMM::ContextImpl& context, StepData& data) override;
    void getPotential(OpenMM::ContextImpl& context, const std::vector<OpenMM::Vec3>& points, std::vector<double>& potential) override;
    void getPMEParameters(int& nx, int& ny, int& nz) const override;
    void copyParametersToContext(OpenMM::ContextImpl& context, const PolarMPForce& force) override;

protected:
    /** The source itself, or a wrapper that this platform needs around it. */
    virtual std::shared_ptr<MultipoleSource> wrap(std::shared_ptr<MultipoleSource> source) {
        return source;
    }
    /** How this platform reaches a source: a network is evaluated on the device, other sources through host memory. */
    virtual std::unique_ptr<SourceLink> createLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays);
    /** Whether the device has warps of 32 threads that run in lockstep, with CUDA's ballot. */
    virtual bool hasWarps() const {
        return false;
    }
    /** Memory for an AsyncDownload. */
    virtual std::shared_ptr<void> allocateHostMemory(size_t bytes);
    OpenMM::ComputeContext& cc;

private:
    /** Everything that depends on the source and the settings: created anew when they change. */
    struct Setup {
        std::shared_ptr<MultipoleSource> source;
        MomentSet moments;  // those that act
        double epsInf = 1;
        SourceArrays arrays;
        ResponseArrays response;
        std::unique_ptr<SourceLink> link;
        std::unique_ptr<DevicePotential> solver;
        std::unique_ptr<AsyncDownload> sums;  // of response.sums
        OpenMM::ComputeKernel sumForField, sumInducedCharges, differentiate;
    };
    void createSetup(const PolarMPForce& force);
    std::map<std::string, std::string> responseDefines(const PolarMPForce& force, const MomentSet& moments);
    void createKernels(Setup& next, const std::map<std::string, std::string>& defines);
    void readPositions(OpenMM::ComputeArray& target);
    void readBox();
    bool inField() const {
        return externalField != OpenMM::Vec3();
    }
    double inverseVolume() const;
    double fieldScaleOf(double traceSum) const;
    /** sum tr(alpha)/3, which determines the field's latent scale, from the last copy of `sums`. */
    double traceSum() const;
    /** Waits for the end of the last step and throws an exception if its input or a force was unusable. */
    void checkForces();

    std::vector<int> particles;
    bool periodic = false;
    bool complete = false;  // the last execute() has returned, and no unusable number is known in it
    OpenMM::Vec3 box[3], externalField;
    OpenMM::ComputeArray particleOf, atomOf, presentPositions, differ;
    OpenMM::ComputeKernel positionsKernel, compareKernel, resultsKernel;
    std::unique_ptr<DeviceChecks> checks;
    std::unique_ptr<Setup> setup;
};

} // namespace PolarMPPlugin
