#pragma once
#include <vector>

namespace PolarMPPlugin {

/** Throws an OpenMMException that says how far the induced moments are from convergence. */
[[noreturn]] void throwNoConvergence(int iterations, double residual, double tolerance);
/**
 * Throws an OpenMMException that names the atoms whose induced moments amplify each other.
 *
 * @param lengths  how much each of the force's particles takes part
 */
[[noreturn]] void throwCatastrophe(const std::vector<double>& lengths);

} // namespace PolarMPPlugin
