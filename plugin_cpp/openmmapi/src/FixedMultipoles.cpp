#include "openmm_polarmp/FixedMultipoles.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <utility>

using namespace PolarMPPlugin;
using namespace std;

namespace {

void check(const char* name, const vector<double>& values, size_t numParticles, size_t components) {
    if (!values.empty() && values.size() != numParticles * components)
        throw OpenMM::OpenMMException("FixedMultipoles: " + string(name) + " has " + to_string(values.size()) + " numbers for "
                                      + to_string(numParticles) + " charges; " + to_string(numParticles * components) + " are needed");
    for (size_t i = 0; i < values.size(); i++)
        if (!isfinite(values[i]))
            throw OpenMM::OpenMMException("FixedMultipoles: " + string(name) + " of particle " + to_string(i / components)
                                          + " is not a finite number");
}

class FixedEvaluation : public SourceEvaluation {
public:
    FixedEvaluation(const FixedMultipoles& source, const SourceBuffers& buffers) : buffers(buffers) {
        fill(source.charges, buffers.charges, 1);
        fill(source.dipoles, buffers.dipoles, 3);
        fill(source.quadrupoles, buffers.quadrupoles, 9);
        fill(source.softness, buffers.softness, 1);
        fill(source.polarizability, buffers.polarizability, 9);
        fill({}, buffers.forces, 3);
        if (buffers.doublePositions)
            *static_cast<double*>(buffers.energy) = 0;
        else
            *static_cast<float*>(buffers.energy) = 0;
    }
    void forward(bool includeGradients) override {
    }
    void backward(const double field[3]) override {
    }
    bool isConstant() const override {
        return true;
    }

private:
    void fill(const vector<double>& values, void* target, int components) {
        if (target == nullptr)
            return;
        for (int i = 0; i < components * buffers.numParticles; i++) {
            double value = values.empty() ? 0.0 : values[i];
            if (buffers.doubleMoments)
                static_cast<double*>(target)[i] = value;
            else
                static_cast<float*>(target)[i] = (float) value;
        }
    }
    const SourceBuffers buffers;
};

} // namespace

FixedMultipoles::FixedMultipoles(vector<double> charges, vector<double> dipoles, vector<double> quadrupoles, vector<double> softness,
                                 vector<double> polarizability)
        : charges(move(charges)), dipoles(move(dipoles)), quadrupoles(move(quadrupoles)), softness(move(softness)),
          polarizability(move(polarizability)) {
    size_t n = this->charges.size();
    if (n == 0)
        throw OpenMM::OpenMMException("FixedMultipoles: charges is empty; one number per particle is needed");
    check("charges", this->charges, n, 1);
    check("dipoles", this->dipoles, n, 3);
    check("quadrupoles", this->quadrupoles, n, 9);
    check("softness", this->softness, n, 1);
    check("polarizability", this->polarizability, n, 9);
    auto negative = find_if(this->softness.begin(), this->softness.end(), [](double kappa) { return kappa < 0; });
    if (negative != this->softness.end())
        throw OpenMM::OpenMMException("FixedMultipoles: softness of particle " + to_string(negative - this->softness.begin()) + " is "
                                      + to_string(*negative) + "; it must not be negative");
}

MomentSet FixedMultipoles::getMomentSet() const {
    return {!dipoles.empty(), !quadrupoles.empty(), !softness.empty(), !polarizability.empty()};
}

unique_ptr<SourceEvaluation> FixedMultipoles::bind(const SourceBuffers& buffers) {
    return make_unique<FixedEvaluation>(*this, buffers);
}
