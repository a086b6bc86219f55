#pragma once
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm_polarmp/MultipoleSource.h"
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/**
 * The arrays of SourceBuffers on the device, in the order of the force's particles. A source may give the energy in several
 * parts: then it makes that array longer.
 */
struct SourceArrays {
    OpenMM::ComputeArray positions, energy, charges, dipoles, quadrupoles, softness, polarizability;
    OpenMM::ComputeArray chargeGradients, dipoleGradients, quadrupoleGradients, softnessGradients, polarizabilityGradients, forces;
    double cell[9];
    void initialize(OpenMM::ComputeContext& cc, int numParticles);
};

/** Throws the error for a number that cannot be used: it is not finite, or it must not be negative. */
[[noreturn]] void refuse(const std::string& quantity, int particle, double value);
[[noreturn]] void refuseEnergy();

/** How a source of moments reaches the arrays of a device. */
class SourceLink {
public:
    virtual ~SourceLink() = default;
    /**
     * Positions are in place; afterwards energy and moments are.
     *
     * @param meanwhile  queues what the device can do while the source is at work
     */
    virtual void forward(bool includeGradients, const std::function<void()>& meanwhile) = 0;
    /** Gradients are in place; afterwards forces are. */
    virtual void backward(const double field[3]) = 0;
    /** Energy (eV) that does not depend on the positions and is not among the array's energies. */
    virtual double getConstantEnergy() const {
        return 0;
    }
    /** Whether the link itself refuses what a source gives and cannot be used. Otherwise DeviceChecks does. */
    virtual bool checks() const {
        return false;
    }
    /** The moments never change: backward() has nothing to do. */
    virtual bool isConstant() const {
        return false;
    }
};

/** A source that works in host memory: arrays are copied, those of a constant source only once. */
class HostLink : public SourceLink {
public:
    HostLink(MultipoleSource& source, const SourceBuffers& description, SourceArrays& arrays);
    void forward(bool includeGradients, const std::function<void()>& meanwhile) override;
    void backward(const double field[3]) override;
    bool checks() const override {
        return checking;
    }
    bool isConstant() const override {
        return evaluation->isConstant();
    }

private:
    /** One array's copy in host memory. */
    struct Copy {
        OpenMM::ComputeArray* array;
        std::vector<char> memory;
        bool isDouble;
        void download();
        void upload();
        double operator[](int i) const;
    };
    Copy makeCopy(OpenMM::ComputeArray& array, bool isDouble);
    void check(const char* name, const Copy& copy, bool negativeAllowed = true) const;
    const std::vector<int> particles;
    const MomentSet moments;
    const bool checking;  // POLARMP_TEST_DEVICE_CHECKS leaves the checks to the device, to test it without a source there
    Copy positions, energy, charges, dipoles, quadrupoles, softness, polarizability;
    Copy chargeGradients, dipoleGradients, quadrupoleGradients, softnessGradients, polarizabilityGradients, forces;
    std::unique_ptr<SourceEvaluation> evaluation;
    bool uploaded = false;
};

} // namespace PolarMPPlugin
