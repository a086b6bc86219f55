#pragma once
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
    double execute(OpenMM::ContextImpl& context, bool includeForces, bool includeEnergy) override;
    bool isCurrent(OpenMM::ContextImpl& context) override;
    void getStepData(OpenMM::ContextImpl& context, StepData& data) override;
    void getPotential(OpenMM::ContextImpl& context, const std::vector<OpenMM::Vec3>& points, std::vector<double>& potential) override;
    void getPMEParameters(int& nx, int& ny, int& nz) const override;
    void copyParametersToContext(OpenMM::ContextImpl& context, const PolarMPForce& force) override;

protected:
    /** How this platform reaches a source; here: through host memory. */
    virtual std::unique_ptr<SourceLink> createLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays);
    /** Whether threads run in step, 32 at a time, with the ballot of CUDA. */
    virtual bool hasWarps() const {
        return false;
    }
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
        OpenMM::ComputeKernel sumForField, sumInducedCharges, differentiate;
    };
    void build(const PolarMPForce& force);
    std::map<std::string, std::string> responseDefines(const PolarMPForce& force, const MomentSet& moments);
    void createKernels(Step& made, const std::map<std::string, std::string>& defines);
    void updateOrder();
    void readPositions(OpenMM::ComputeArray& target);
    void readBox();
    bool inField() const {
        return externalField != OpenMM::Vec3();
    }
    double inverseVolume() const;
    double fieldScaleOf(double traceSum) const;

    class OrderListener;

    std::vector<int> particles, particleOfAtom;
    OrderListener* orderListener = nullptr;  // owned by the ComputeContext
    bool periodic = false;
    double epsInf = 1;
    OpenMM::Vec3 box[3], externalField;
    OpenMM::ComputeArray particleOf, atomOf, presentPositions, differ;
    OpenMM::ComputeKernel positionsKernel, compareKernel, resultsKernel;
    std::unique_ptr<Step> step;
};

} // namespace PolarMPPlugin
