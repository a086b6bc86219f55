#pragma once
#include <algorithm>
#include <thread>
#include <vector>

namespace PolarMPPlugin {

/** Calls f(begin, end) for parts of 0 ... count, in several threads where each of them gets at least `grain`. */
template <class F>
void parallelFor(long count, long grain, int threads, F&& f) {
    const long parts = std::min((long) threads, count / std::max(1L, grain));
    if (parts <= 1) {
        f(0L, count);
        return;
    }
    std::vector<std::thread> others;
    for (long part = 1; part < parts; part++)
        others.emplace_back([&, part]() { f(part * count / parts, (part + 1) * count / parts); });
    f(0L, count / parts);
    for (std::thread& other : others)
        other.join();
}

} // namespace PolarMPPlugin
