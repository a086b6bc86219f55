#pragma once

namespace PolarMPPlugin {

/**
 * Distance, in units of sigma, beyond which point and smeared charges act alike on multipoles: the difference,
 * erf(r/sigma) - erf(r/(sqrt(2) sigma)), is 2e-9 there.
 */
constexpr double POINT_CHARGE_RANGE = 6;

} // namespace PolarMPPlugin
