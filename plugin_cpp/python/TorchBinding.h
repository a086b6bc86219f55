#pragma once
#include <nanobind/nanobind.h>

namespace PolarMPPlugin {

/** Inner loops of the networks and the electrostatics in torch; arrays are tensors on the CPU. */
void bindTorchLoops(nanobind::module_& m);

} // namespace PolarMPPlugin
