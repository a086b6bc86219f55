#pragma once
#include <vector>

namespace PolarMPPlugin {

/**
 * How n points are transformed: one step for each of n's small factors (Stockham's algorithm, which leaves the points in
 * order). A step takes R = radix points that lie `after * before` apart, transforms these few, multiplies them by powers of
 * a root of unity and puts them next to each other, `before` apart.
 */
template <class Real>
struct FourierPlan {
    struct Step {
        int radix;
        int before;  // product of the radices of the steps before
        int after;   // and of those still to come
        std::vector<Real> turnCos, turnSin;  // exp(-2 pi i p j/(radix after)): [p][j], p < after, j < radix
        std::vector<Real> rootCos, rootSin;  // exp(-2 pi i j/radix)
    };
    explicit FourierPlan(int n);

    std::vector<Step> steps;
};

} // namespace PolarMPPlugin
