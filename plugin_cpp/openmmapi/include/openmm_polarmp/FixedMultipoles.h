#pragma once
#include "MultipoleSource.h"

namespace PolarMPPlugin {

/**
 * Moments that never change, fixed in the laboratory frame, in the model's units. Makes the force useful and
 * testable without a network. Arrays other than the charges may be empty: that moment is absent then.
 */
class FixedMultipoles : public MultipoleSource {
public:
    /**
     * @param charges         [N] e
     * @param dipoles         [N*3] e A
     * @param quadrupoles     [N*9] e A^2
     * @param softness        [N] e^2/eV, not negative
     * @param polarizability  [N*9] e^2 A^2/eV, positive semi-definite
     */
    FixedMultipoles(std::vector<double> charges, std::vector<double> dipoles = {}, std::vector<double> quadrupoles = {},
                    std::vector<double> softness = {}, std::vector<double> polarizability = {});
    MomentSet getMomentSet() const override;
    int getNumParticles() const override {
        return (int) charges.size();
    }
    bool supportsDevice(SourceBuffers::Device device) const override {
        return device == SourceBuffers::Host;
    }
    std::unique_ptr<SourceEvaluation> bind(const SourceBuffers& buffers) override;
    const std::vector<double> charges, dipoles, quadrupoles, softness, polarizability;
};

} // namespace PolarMPPlugin
