#pragma once
#include <string>

namespace PolarMPPlugin {

/** Throws the error for a number that cannot be used: it is not finite, or it is negative and must not be. */
[[noreturn]] void throwUnusable(const std::string& quantity, int particle, double value);
/** The same for the energy that a source has returned. */
[[noreturn]] void throwUnusableEnergy();

} // namespace PolarMPPlugin
