#pragma once
#include <functional>
#include <string>

namespace PolarMPPlugin {

/** Sets where warnings go. Without a handler they are written to stderr; the Python package turns them into Python warnings. */
void setWarningHandler(std::function<void(const std::string&)> handler);
void warn(const std::string& message);

} // namespace PolarMPPlugin
