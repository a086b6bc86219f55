#pragma once
#include <cstddef>
#include <functional>

namespace PolarMPPlugin {

/** Calls work(begin, end) for ranges that together cover 0..n-1, in parallel where the platform has threads. */
using ForAtoms = std::function<void(size_t n, const std::function<void(size_t begin, size_t end)>& work)>;

} // namespace PolarMPPlugin
