#pragma once

namespace PolarMPPlugin {

/**
 * The radial functions B_0 ... B_5 of a pair (theory.md section 2) are computed by a series below this x^2 = r^2 / (2 sigma^2)
 * and by the upward recursion from erf above it. The recursion loses digits at small x: its largest relative error is 750
 * times the rounding error at x^2 = 1, 20 times at 2.5, and 3 times from 5 on, in single and double precision alike. The
 * series loses none anywhere, but takes ever more terms: 33 in double precision at x^2 = 5, 41 at 8.
 */
constexpr double PAIR_SERIES_LIMIT = 5;

} // namespace PolarMPPlugin
