#pragma once
#include <vector>

namespace PolarMPPlugin {

/**
 * A Fourier transform of n points by Stockham's algorithm, which leaves the points in order: one step for each small factor
 * of n. A step transforms `radix` points that lie `after * before` apart, multiplies them by twiddle factors and stores them
 * `before` apart.
 */
template <class Real>
struct FourierPlan {
    struct Step {
        int radix;
        int before;  // product of the radices of the earlier steps
        int after;   // and of the later ones
        std::vector<Real> twiddleCos, twiddleSin;  // exp(-2 pi i p j/(radix after)): [p][j], p < after, j < radix
        std::vector<Real> rootCos, rootSin;  // exp(-2 pi i j/radix)
    };
    explicit FourierPlan(int n);

    std::vector<Step> steps;
};

} // namespace PolarMPPlugin
