#include "openmm_polarmp/FixedMultipoles.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <algorithm>
#include <cmath>
#include <utility>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

void check(const MomentProperties& moment, const vector<double>& values, size_t numParticles) {
    const size_t size = numParticles * moment.components;
    if (!values.empty() && values.size() != size)
        throw OpenMMException("FixedMultipoles: " + string(moment.plural) + " has " + to_string(values.size()) + " numbers for "
                              + to_string(numParticles) + " charges; " + to_string(size) + " are needed");
    auto which = [&](size_t i) { return "FixedMultipoles: " + string(moment.plural) + " of particle " + to_string(i / moment.components); };
    for (size_t i = 0; i < values.size(); i++) {
        if (!isfinite(values[i]))
            throw OpenMMException(which(i) + " is not a finite number");
        if (!moment.mayBeNegative && values[i] < 0)
            throw OpenMMException(which(i) + " is " + to_string(values[i]) + "; it must not be negative");
    }
}

/** @param values  of `size` numbers; empty: all zero */
template <class Real>
void fill(const vector<double>& values, size_t size, void* target) {
    for (size_t i = 0; i < size; i++)
        static_cast<Real*>(target)[i] = (values.empty() ? 0 : (Real) values[i]);
}

/** Writes the moments when it is created; they stay in the buffers. */
class FixedEvaluation : public SourceEvaluation {
public:
    FixedEvaluation(const MomentArrays& values, const SourceBuffers& buffers) : numParticles(buffers.numParticles) {
        auto write = [](const vector<double>& values, size_t size, void* target, bool isDouble) {
            if (isDouble)
                fill<double>(values, size, target);
            else
                fill<float>(values, size, target);
        };
        const size_t n = buffers.numParticles;
        for (Moment m : ALL_MOMENTS)
            write(values[m], MOMENTS[m].components * n, buffers.moments[m], buffers.doubleMoments);
        write({}, 3 * n, buffers.forces, buffers.doubleMoments);
        write({}, 1, buffers.energy, buffers.doublePositions);
    }
    void forward(bool) override {
    }
    void backward(const double[3]) override {
    }
    bool chargeTransfer(double* transfer) override {
        std::fill(transfer, transfer + 9 * numParticles, 0.0);
        return true;
    }
    bool isConstant() const override {
        return true;
    }

private:
    const size_t numParticles;
};

} // namespace

FixedMultipoles::FixedMultipoles(MomentArrays newValues) : values(move(newValues)) {
    if (values[CHARGE].empty())
        throw OpenMMException("FixedMultipoles: charges is empty; one number per particle is needed");
    for (Moment m : ALL_MOMENTS)
        check(MOMENTS[m], values[m], getNumParticles());
}

MomentSet FixedMultipoles::getMomentSet() const {
    MomentSet moments;
    for (Moment m : ALL_MOMENTS)
        moments[m] = !values[m].empty();
    return moments;
}

unique_ptr<SourceEvaluation> FixedMultipoles::bind(const SourceBuffers& buffers) {
    return make_unique<FixedEvaluation>(values, buffers);
}
