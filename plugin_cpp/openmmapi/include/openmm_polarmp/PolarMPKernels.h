#pragma once
#include "PolarMPForce.h"
#include "openmm/KernelImpl.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmm/internal/ContextImpl.h"

namespace PolarMPPlugin {

/** What a platform has to provide. One step is DESIGN.md section 2. */
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
     * @param isState  the result is for a State, not for a step of a run: every fault is found before this returns. In a run
     *                 forces that are not finite may be left out, and reported by the next call or getter.
     */
    virtual double execute(OpenMM::ContextImpl& context, bool includeForces, bool isState) = 0;
    /** Whether the last execute() saw the Context's present positions, box and field: then getters need no new one. */
    virtual bool isCurrent(OpenMM::ContextImpl& context) = 0;
    /** What the last execute() left behind. */
    virtual void getStepData(OpenMM::ContextImpl& context, StepData& data) = 0;
    /** Of the moments of the last execute(). Points in A, result in V. */
    virtual void getPotential(OpenMM::ContextImpl& context, const std::vector<OpenMM::Vec3>& points, std::vector<double>& potential) = 0;
    virtual void getPMEParameters(int& nx, int& ny, int& nz) const = 0;
    virtual void copyParametersToContext(OpenMM::ContextImpl& context, const PolarMPForce& force) = 0;
};

} // namespace PolarMPPlugin
