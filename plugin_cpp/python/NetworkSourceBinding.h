#pragma once
#include <nanobind/nanobind.h>

namespace PolarMPPlugin {

void bindNetworkSource(nanobind::module_& m);

} // namespace PolarMPPlugin
