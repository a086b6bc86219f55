#pragma once
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm_polarmp/MultipoleSource.h"
#include <functional>
#include <memory>
#include <vector>

namespace PolarMPPlugin {

/**
 * The arrays of SourceBuffers on the device, in the order of the force's particles. A source may return the energy in several
 * parts: it then makes that array longer.
 */
struct SourceArrays {
    OpenMM::ComputeArray positions, energy, moments[NUM_MOMENTS], gradients[NUM_MOMENTS], forces, flows[NUM_FLOW_VALUES];
    double cell[9];
    void initialize(OpenMM::ComputeContext& cc, int numParticles);
};

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
    /** Phi' is in place; afterwards flow charges and energies are. See SourceEvaluation::flow(). */
    virtual void flow(const double field[3], bool responds) = 0;
    virtual void getPairFlows(PairFlows& flows) = 0;
    /** SourceEvaluation::chargeTransfer() at the positions of the last forward(). */
    virtual bool chargeTransfer(std::vector<double>& transfer) {
        return false;
    }
    /** Energy (eV) that does not depend on the positions and is not part of the energy array. */
    virtual double getConstantEnergy() const {
        return 0;
    }
    /** Whether the link itself rejects unusable numbers from the source. Otherwise DeviceChecks does. */
    virtual bool checks() const {
        return false;
    }
    /** Whether the moments never change: backward() has nothing to do then. */
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
    void flow(const double field[3], bool responds) override;
    void getPairFlows(PairFlows& flows) override {
        evaluation->getPairFlows(flows);
    }
    bool chargeTransfer(std::vector<double>& transfer) override;
    bool checks() const override {
        return checking;
    }
    bool isConstant() const override {
        return evaluation->isConstant();
    }

private:
    /** An array's copy in host memory. */
    class Copy {
    public:
        void initialize(OpenMM::ComputeArray& array);
        void download();
        void upload();
        void* data() {
            return memory.data();
        }
        size_t size() const {
            return array->getSize();
        }
        double operator[](size_t i) const;

    private:
        OpenMM::ComputeArray* array = nullptr;
        std::vector<char> memory;
        bool isDouble = true;
    };
    void check(const char* quantity, const Copy& copy, bool mayBeNegative = true) const;

    const std::vector<int> particles;
    const MomentSet present;
    const bool checking;
    void uploadFlows(FlowValue value);

    Copy positions, energy, moments[NUM_MOMENTS], gradients[NUM_MOMENTS], forces, flows[NUM_FLOW_VALUES];
    std::unique_ptr<SourceEvaluation> evaluation;
    bool uploaded = false;
};

} // namespace PolarMPPlugin
