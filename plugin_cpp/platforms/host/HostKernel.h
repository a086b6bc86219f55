#pragma once
#include "OneShotResponse.h"
#include "PointChargeCorrection.h"
#include "PotentialSolver.h"
#include "openmm_polarmp/PolarMPKernels.h"
#include "openmm_polarmp/internal/LatentScale.h"
#include <functional>
#include <memory>

namespace PolarMPPlugin {

/**
 * One step on a platform whose positions and forces are in host memory. Platforms differ in the solver that they
 * create for the potentials.
 */
class HostKernel : public CalcPolarMPForceKernel {
public:
    HostKernel(const std::string& name, const OpenMM::Platform& platform) : CalcPolarMPForceKernel(name, platform) {
    }
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
    virtual std::unique_ptr<PotentialSolver> createSolver(const PolarMPForce& force) = 0;
    /** Width in A of the pair kernel between embedding charges and multipoles. */
    static double chargeWidth(const PolarMPForce& force);
    /** The platform's threads; null if it has none. */
    virtual WorkerThreads* workerThreads() {
        return nullptr;
    }
    /** Calls work(), which contains many short loops; a platform with threads keeps them awake meanwhile. */
    virtual void together(const std::function<void()>& work) {
        work();
    }
    /** Loops over atoms; a platform with threads divides them among the threads. */
    virtual void forAtoms(size_t n, const std::function<void(size_t begin, size_t end)>& work) {
        work(0, n);
    }

private:
    /** The memory of the source's buffers. */
    struct Memory {
        std::vector<double> positions, forces;
        MomentArrays moments, gradients;
        std::vector<double> flows[NUM_FLOW_VALUES];
        double cell[9], energy = 0;
    };
    /** The point charges around the atoms. */
    struct Embedding {
        std::vector<int> particles;
        std::vector<double> charges;                        // e, times the embedding's scale
        std::unique_ptr<PointChargeCorrection> correction;  // null unless the charges are points in a periodic box
        std::vector<OpenMM::Vec3> positions;                // A
        std::vector<Derivatives> potential;                 // of the charges at the atoms
        std::vector<OpenMM::Vec3> gradients;                // of the atoms' potential at the charges
    };
    /** Everything that depends on the source and the settings: created anew when they change. */
    struct Setup {
        std::shared_ptr<MultipoleSource> source;
        MomentSet moments;  // those that act
        LatentScale latentScale;
        bool needsNeutralBox = false;
        Memory memory;
        std::unique_ptr<SourceEvaluation> evaluation;
        std::unique_ptr<PotentialSolver> solver;
        std::unique_ptr<OneShotResponse> response;
        std::unique_ptr<MutualInduction> mutual;  // null with direct response
        Embedding embedding;
        OpenMM::Vec3 box[3];  // that the solver knows, A
    };
    void createSetup(const PolarMPForce& force);
    SourceBuffers allocate(Memory& memory);
    void evaluate(OpenMM::ContextImpl& context, bool includeForces);
    void evaluateMoments(OpenMM::ContextImpl& context, bool includeForces);
    /** Everything that acts on the permanent moments, and what it induces at each atom. */
    void computePermanentPotential(const OpenMM::Vec3& field);
    /** What flows between neighbours, by the source; with mutual induction the induced charges contain it already. */
    void computeFlows(const OpenMM::Vec3& field);
    bool flowsIn(const OpenMM::Vec3& field) const;
    /** Lets the source compute what flows, into the memory. */
    void flow(const OpenMM::Vec3& field, bool responds);
    void computeInducedPotential();
    /** Induced moments that feel each other, from the direct ones. */
    void induceMutually(const OpenMM::Vec3& field);
    std::unique_ptr<MutualInduction> createMutualInduction(const PolarMPForce& force);
    /** Induced moments from what the atoms feel, and y R y in eV. */
    double respondDirectly(const OpenMM::Vec3& field);
    /** Whether the atoms have moved so far since the last step that it says nothing about this one. */
    bool haveJumped();
    void computePotentialOfCharges();
    void computeGradientsAtCharges();
    bool isEmbedded() const {
        return !setup->embedding.particles.empty();
    }
    std::vector<Multipole> totalMoments() const;
    void readPositions(OpenMM::ContextImpl& context);
    void readBox(OpenMM::ContextImpl& context);
    void checkMoments();
    void checkFlows(FlowValue value);
    void readMoments();
    OpenMM::Vec3 latentField(OpenMM::ContextImpl& context);
    void writeGradients();

    std::vector<int> particles;
    bool periodic = false, evaluated = false, evaluatedForces = false;
    double fieldScale = 1;
    std::unique_ptr<Setup> setup;
    Atoms atoms;
    OpenMM::Vec3 externalField;
    std::vector<OpenMM::Vec3> lastPositions;                 // A, with mutual induction
    OpenMM::Vec3 lastBox[3];
    std::vector<Derivatives> phi, phiPermanent, phiInduced;  // phi: with the potential of the charges
};

} // namespace PolarMPPlugin
