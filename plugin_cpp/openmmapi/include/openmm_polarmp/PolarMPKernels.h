#pragma once
#include "PolarMPForce.h"
#include "openmm/KernelImpl.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmm/internal/ContextImpl.h"

namespace PolarMPPlugin {

/** The kernel that a platform has to provide; docs/design.md describes a step. */
class CalcPolarMPForceKernel : public OpenMM::KernelImpl {
public:
    static std::string Name() {
        return "CalcPolarMPForce";
    }
    CalcPolarMPForceKernel(const std::string& name, const OpenMM::Platform& platform) : OpenMM::KernelImpl(name, platform) {
    }
    virtual void initialize(const OpenMM::System& system, const PolarMPForce& force) = 0;
    /**
     * Returns the energy, or adds it to the platform's buffer.
     *
     * @param isState  whether the result is for a State rather than for a step of a run: unusable numbers are then reported
     *                 before this returns. In a run, forces that are not finite may be left out and reported by the next call.
     */
    virtual double execute(OpenMM::ContextImpl& context, bool includeForces, bool isState) = 0;
    /** Whether the last execute() was for the Context's present positions, box and field: getters need no new one then. */
    virtual bool isCurrent(OpenMM::ContextImpl& context) = 0;
    /** The moments of the last execute(), and derivatives by them. */
    virtual void getStepData(OpenMM::ContextImpl& context, StepData& data) = 0;
    /** The pairs of the last execute(). */
    virtual void getPairFlows(OpenMM::ContextImpl& context, PairFlows& flows) = 0;
    /** [N,3,3] of the last execute(); returns whether the source can compute it. */
    virtual bool getChargeTransfer(OpenMM::ContextImpl& context, std::vector<double>& transfer) = 0;
    /** The potential (V) of the moments of the last execute() at points (A). */
    virtual void getPotential(OpenMM::ContextImpl& context, const std::vector<OpenMM::Vec3>& points, std::vector<double>& potential) = 0;
    virtual void getPMEParameters(int& nx, int& ny, int& nz) const = 0;
    virtual void copyParametersToContext(OpenMM::ContextImpl& context, const PolarMPForce& force) = 0;
};

} // namespace PolarMPPlugin
