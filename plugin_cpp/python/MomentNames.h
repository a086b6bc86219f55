#pragma once
#include "openmm_polarmp/Moments.h"
#include <cstddef>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/** Python's name for the derivatives of the energy with respect to a moment. */
inline std::string gradientsName(Moment moment) {
    return MOMENTS[moment].name + std::string("_gradients");
}

/** The shape of an array of a moment of n particles. */
inline std::vector<size_t> shapeOf(Moment moment, size_t n) {
    switch (MOMENTS[moment].components) {
    case 1:
        return {n};
    case 3:
        return {n, 3};
    default:
        return {n, 3, 3};
    }
}

} // namespace PolarMPPlugin
