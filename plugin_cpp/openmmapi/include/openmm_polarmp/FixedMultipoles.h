#pragma once
#include "MultipoleSource.h"

namespace PolarMPPlugin {

/** Moments that never change, fixed in the laboratory frame: with them the force can be used and tested without a network. */
class FixedMultipoles : public MultipoleSource {
public:
    /** @param values  in the model's units (Moments.h); charges are required, other arrays may be empty: that moment is absent then */
    explicit FixedMultipoles(MomentArrays values);
    const MomentArrays& getValues() const {
        return values;
    }
    MomentSet getMomentSet() const override;
    int getNumParticles() const override {
        return values[CHARGE].size();
    }
    std::unique_ptr<SourceEvaluation> bind(const SourceBuffers& buffers) override;

private:
    const MomentArrays values;
};

} // namespace PolarMPPlugin
