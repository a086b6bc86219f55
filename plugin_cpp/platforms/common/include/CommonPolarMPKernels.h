#pragma once
#include "AsyncDownload.h"
#include "DeviceChecks.h"
#include "DevicePotential.h"
#include "SourceLink.h"
#include "openmm_polarmp/PolarMPKernels.h"

namespace PolarMPPlugin {

/** One step (DESIGN: the one flow) on a device, written once for CUDA, OpenCL and HIP. */
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
    /** What this platform has to put around a source before it is used. */
    virtual std::shared_ptr<MultipoleSource> prepare(std::shared_ptr<MultipoleSource> source) {
        return source;
    }
    /** How this platform reaches a source; here: through host memory. */
    virtual std::unique_ptr<SourceLink> createLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays);
    /** Whether threads run in step, 32 at a time, with the ballot of CUDA. */
    virtual bool hasWarps() const {
        return false;
    }
    /** Memory for an AsyncDownload. */
    virtual std::shared_ptr<void> allocateHostMemory(size_t bytes);
    OpenMM::ComputeContext& cc;

private:
    /** Everything that is made anew when the source or the settings change. */
    struct Step {
        std::shared_ptr<MultipoleSource> source;
        MomentSet moments;
        SourceArrays arrays;
        ResponseArrays response;
        std::unique_ptr<SourceLink> link;
        std::unique_ptr<DevicePotential> solver;
        std::unique_ptr<AsyncDownload> sums;  // of response.sums
        OpenMM::ComputeKernel sumForField, sumInducedCharges, differentiate;
    };
    void build(const PolarMPForce& force);
    std::map<std::string, std::string> responseDefines(const PolarMPForce& force, const MomentSet& moments);
    void createKernels(Step& made, const std::map<std::string, std::string>& defines);
    void readPositions(OpenMM::ComputeArray& target);
    void readBox();
    bool inField() const {
        return externalField != OpenMM::Vec3();
    }
    double inverseVolume() const;
    double fieldScaleOf(double traceSum) const;
    /** sum tr(alpha)/3, of which the field's latent scale is made: what `sums` has brought. */
    double traceSum() const;
    /** Throws an exception if a force of the last step could not be used; waits for the step's end. */
    void checkForces();

    std::vector<int> particles;
    bool periodic = false;
    bool complete = false;  // the last execute() went to its end, and no fault of it is known
    double epsInf = 1;
    OpenMM::Vec3 box[3], externalField;
    OpenMM::ComputeArray particleOf, atomOf, presentPositions, differ;
    OpenMM::ComputeKernel positionsKernel, compareKernel, resultsKernel;
    std::unique_ptr<DeviceChecks> checks;
    std::unique_ptr<Step> step;
};

} // namespace PolarMPPlugin
