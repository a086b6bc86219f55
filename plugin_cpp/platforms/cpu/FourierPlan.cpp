#include "FourierPlan.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace std;

namespace {

vector<int> factorsOf(int n) {
    vector<int> factors;
    auto divideBy = [&](int factor) {
        for (; n % factor == 0; n /= factor)
            factors.push_back(factor);
    };
    divideBy(4);
    for (int prime = 2; n > 1; prime++)
        divideBy(prime);
    return factors;
}

} // namespace

template <class Real>
FourierPlan<Real>::FourierPlan(int n) {
    int before = 1;
    for (int radix : factorsOf(n)) {
        Step step = {radix, before, n / (before * radix)};
        for (int p = 0; p < step.after; p++)
            for (int j = 0; j < radix; j++) {
                double angle = -2 * M_PI * p * j / (radix * step.after);
                step.twiddleCos.push_back((Real) cos(angle));
                step.twiddleSin.push_back((Real) sin(angle));
            }
        for (int j = 0; j < radix; j++) {
            step.rootCos.push_back((Real) cos(-2 * M_PI * j / radix));
            step.rootSin.push_back((Real) sin(-2 * M_PI * j / radix));
        }
        steps.push_back(step);
        before *= radix;
    }
}

template struct PolarMPPlugin::FourierPlan<float>;
template struct PolarMPPlugin::FourierPlan<double>;
