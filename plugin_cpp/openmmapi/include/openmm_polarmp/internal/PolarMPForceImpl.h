#pragma once
#include "openmm/Kernel.h"
#include "openmm/internal/ForceImpl.h"
#include "openmm_polarmp/PolarMPForce.h"

namespace PolarMPPlugin {

class PolarMPForceImpl : public OpenMM::ForceImpl {
public:
    explicit PolarMPForceImpl(const PolarMPForce& owner) : owner(owner) {
    }
    void initialize(OpenMM::ContextImpl& context) override;
    const PolarMPForce& getOwner() const override {
        return owner;
    }
    /** Integrators call this at the beginning of each step. */
    void updateContextState(OpenMM::ContextImpl& context, bool& forcesInvalid) override;
    double calcForcesAndEnergy(OpenMM::ContextImpl& context, bool includeForces, bool includeEnergy, int groups) override;
    std::map<std::string, double> getDefaultParameters() override;
    std::vector<std::string> getKernelNames() override;
    void getPMEParameters(int& nx, int& ny, int& nz);
    void getStepData(OpenMM::ContextImpl& context, StepData& data);
    void getPairFlows(OpenMM::ContextImpl& context, PairFlows& flows);
    bool getChargeTransfer(OpenMM::ContextImpl& context, std::vector<double>& transfer);
    void getElectrostaticPotential(OpenMM::ContextImpl& context, const std::vector<OpenMM::Vec3>& points, std::vector<double>& potential);
    void updateParametersInContext(OpenMM::ContextImpl& context);
    /** The external field that a Context's parameters set, in V/A. */
    static OpenMM::Vec3 externalField(OpenMM::ContextImpl& context);

private:
    void ensureEvaluated(OpenMM::ContextImpl& context);
    /** Throws an exception unless the force's source describes as many particles as the force acts on. */
    /** Of what may also change in a Context. */
    void checkSettings();
    void checkSource() const;
    void checkBoundary() const;
    /** Throws an exception unless given total charges or a Fermi level can act. */
    void checkTotalCharge();
    /** Throws an exception if a field would act on charges that move over any distance in a box. */
    void checkField(OpenMM::ContextImpl& context) const;
    /** Throws an exception unless the embedding charges belong to particles of the System that are not the source's. */
    void checkEmbedding(const OpenMM::System& system) const;

    const PolarMPForce& owner;
    // when the Context was created
    int numParticles = 0;
    std::vector<int> particles, embeddingParticles;
    PolarMPForce::NonbondedMethod nonbondedMethod = PolarMPForce::NoCutoff;
    bool hasLevels = false;  // total charges or a Fermi level are given, at present
    OpenMM::Kernel kernel;
    bool evaluated = false;
    long long stepInProgress = -1;  // the number of steps before the one that an integrator has begun
};

} // namespace PolarMPPlugin
