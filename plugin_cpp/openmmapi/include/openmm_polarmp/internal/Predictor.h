#pragma once
#include <cstddef>

namespace PolarMPPlugin {

/** Number of earlier steps from which the always stable predictor (Kolafa, J. Comput. Chem. 25, 335 (2004)) extrapolates. */
constexpr size_t PREDICTOR_STEPS = 5;

/** Weight of the value `step` steps before the last one (0: the last) if there are `known` of them. */
inline double predictorWeight(size_t known, size_t step) {
    constexpr double WEIGHTS[PREDICTOR_STEPS][PREDICTOR_STEPS] = {
        {1},
        {2, -1},
        {2.5, -2, 0.5},
        {2.8, -2.8, 1.2, -0.2},
        {3, -24.0 / 7, 27.0 / 14, -4.0 / 7, 1.0 / 14},
    };
    return WEIGHTS[known - 1][step];
}

} // namespace PolarMPPlugin
