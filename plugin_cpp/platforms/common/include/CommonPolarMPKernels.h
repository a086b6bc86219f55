#pragma once
#include "AsyncDownload.h"
#include "DeviceChecks.h"
#include "DeviceMutual.h"
#include "DevicePotential.h"
#include "SourceLink.h"
#include "openmm_polarmp/PolarMPKernels.h"
#include "openmm_polarmp/internal/LatentScale.h"

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
    void getPairFlows(OpenMM::ContextImpl& context, PairFlows& flows) override;
    bool getChargeTransfer(OpenMM::ContextImpl& context, std::vector<double>& transfer) override;
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
    static constexpr int REDUCTION_SIZE = 64;  // threads that sum over all atoms
    /** Everything that depends on the source and the settings: created anew when they change. */
    struct Setup {
        std::shared_ptr<MultipoleSource> source;
        MomentSet moments;  // those that act
        LatentScale latentScale;
        SourceArrays arrays;
        ResponseArrays response;
        ChargeArrays charges;
        std::unique_ptr<SourceLink> link;
        std::unique_ptr<DevicePotential> solver;
        std::unique_ptr<DeviceConstraint> constraint;  // null unless total charges or a Fermi level are given
        std::unique_ptr<DeviceMutual> mutual;  // null with direct response
        std::unique_ptr<AsyncDownload> sums;  // of response.sums
        OpenMM::ComputeKernel sumForField, sumInducedCharges, addFlows, differentiate;
        /** Whether the latent scale of a field depends on the moments. */
        bool screens() const {
            return moments[POLARIZABILITY] || moments.conducts;
        }
    };
    /** Where some of the force's particles are among OpenMM's atoms, whose order changes in a run. */
    struct ParticleMap {
        OpenMM::ComputeArray particleOf;  // by OpenMM's index of a particle; -1: not among them
        OpenMM::ComputeArray atomOf;      // the present place of each
        OpenMM::ComputeArray present;     // positions, to compare with earlier ones
        OpenMM::ComputeKernel read, compare;
    };
    void createSetup(const PolarMPForce& force);
    std::map<std::string, std::string> responseDefines(const PolarMPForce& force, const MomentSet& moments);
    void createKernels(Setup& next, const std::map<std::string, std::string>& defines);
    /** The kernels for the positions of these particles, in this order; `first`: the number of the first one in notes. */
    void mapParticles(ParticleMap& map, const std::vector<int>& indices, int first, OpenMM::ComputeProgram& program);
    void readPositions(ParticleMap& map, OpenMM::ComputeArray& target);
    bool positionsDiffer(ParticleMap& map, OpenMM::ComputeArray& earlier);
    void readBox();
    bool inField() const {
        return externalField != OpenMM::Vec3();
    }
    double inverseVolume() const;
    /** 4 pi k_e tr(alpha)/3 / V of a box, 0 for a cluster. */
    double chi(double traceSum) const;
    /** The external field (V/A) with its latent scale, from the last copy of `sums`. */
    OpenMM::Vec3 latentField() const;
    /** What flows between neighbours, by the source. */
    void computeFlows();
    void flow(const OpenMM::Vec3& field);
    /** Induced moments that feel each other, from the direct ones. */
    void induceMutually(const FieldArguments& field);
    /** sum tr(alpha)/3 with that of flows, which determines the field's latent scale, from the last copy of `sums`. */
    double traceSum() const;
    /** Waits for the end of the last step and throws an exception if its input or a force was unusable. */
    void checkForces();
    /** Throws an exception if unusable numbers have been noted: one that says why, if the external field is the reason. */
    void readChecks(void (DeviceChecks::*read)(const SourceArrays&) const) const;

    std::vector<int> particles, embeddingParticles;
    bool periodic = false;
    bool complete = false;  // the last execute() has returned, and no unusable number is known in it
    OpenMM::Vec3 box[3], externalField;
    OpenMM::ComputeArray differ;
    ParticleMap atoms, charges;
    OpenMM::ComputeKernel resultsKernel, chargeForcesKernel;
    std::unique_ptr<DeviceChecks> checks;
    std::unique_ptr<Setup> setup;
};

} // namespace PolarMPPlugin
