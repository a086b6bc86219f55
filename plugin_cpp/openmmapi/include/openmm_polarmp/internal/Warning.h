#pragma once
#include <functional>
#include <string>

namespace PolarMPPlugin {

/** Where warnings go: to stderr, until the Python package makes them Python warnings. */
void setWarningHandler(std::function<void(const std::string&)> handler);
void warn(const std::string& message);

} // namespace PolarMPPlugin
