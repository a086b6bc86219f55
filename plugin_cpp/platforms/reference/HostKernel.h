#pragma once
#include "OneShotResponse.h"
#include "PotentialSolver.h"
#include "openmm_polarmp/PolarMPKernels.h"
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
    double execute(OpenMM::ContextImpl& context, bool includeForces, bool includeEnergy) override;
    bool isCurrent(OpenMM::ContextImpl& context) override;
    void getStepData(OpenMM::ContextImpl& context, StepData& data) override;
    void getPotential(OpenMM::ContextImpl& context, const std::vector<OpenMM::Vec3>& points, std::vector<double>& potential) override;
    void getPMEParameters(int& nx, int& ny, int& nz) const override;
    void copyParametersToContext(OpenMM::ContextImpl& context, const PolarMPForce& force) override;

protected:
    virtual std::unique_ptr<PotentialSolver> createSolver(const PolarMPForce& force) = 0;
    /** Of a platform that has some. */
    virtual WorkerThreads* workerThreads() {
        return nullptr;
    }
    /** Calls work(), which has many short loops; a platform with threads keeps them awake. */
    virtual void together(const std::function<void()>& work) {
        work();
    }
    /** Loops over atoms; a platform with threads shares them. */
    virtual void forAtoms(size_t n, const std::function<void(size_t begin, size_t end)>& work) {
        work(0, n);
    }

private:
    /** The buffers that the source sees, as plain arrays. */
    struct Memory {
        std::vector<double> positions, charges, dipoles, quadrupoles, softness, polarizability;
        std::vector<double> chargeGradients, dipoleGradients, quadrupoleGradients, softnessGradients, polarizabilityGradients, forces;
        double cell[9], energy = 0;
    };
    void bindSource(const PolarMPForce& force);
    void evaluate(OpenMM::ContextImpl& context, bool includeForces);
    void evaluateMoments(OpenMM::ContextImpl& context, bool includeForces);
    void computeElectrostatics(OpenMM::ContextImpl& context);
    void readPositions(OpenMM::ContextImpl& context);
    void readBox(OpenMM::ContextImpl& context);
    void readMoments();
    OpenMM::Vec3 latentField(OpenMM::ContextImpl& context);
    void writeGradients();

    std::vector<int> particles;
    bool periodic = false, evaluated = false, evaluatedForces = false;
    double epsInf = 1, fieldScale = 1;
    MomentSet moments;
    std::shared_ptr<MultipoleSource> source;
    Memory memory;
    std::unique_ptr<SourceEvaluation> evaluation;
    std::unique_ptr<PotentialSolver> solver;
    std::unique_ptr<OneShotResponse> response;
    Atoms atoms;
    OpenMM::Vec3 box[3], externalField;
    std::vector<Derivatives> phi, phiInduced;
};

} // namespace PolarMPPlugin
