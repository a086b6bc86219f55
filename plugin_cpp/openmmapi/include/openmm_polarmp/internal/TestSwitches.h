#pragma once

namespace PolarMPPlugin {

/**
 * Safeguards that tests switch off, to show that results would be wrong without them or that another one works. Nothing but
 * the function set_test_switches of the extension module changes them; they act on Contexts that are created afterwards.
 */
struct TestSwitches {
    bool sourceWaits = true;  // CUDA: the source waits for the work that OpenMM has queued
    bool openmmWaits = true;  // CUDA: OpenMM waits for the work that the source has queued
    bool hostChecks = true;   // moments that pass through host memory on their way to a device are checked there
};
TestSwitches& testSwitches();

} // namespace PolarMPPlugin
