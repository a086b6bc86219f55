#include "openmm_polarmp/internal/Warning.h"
#include <iostream>

using namespace PolarMPPlugin;
using namespace std;

namespace {
function<void(const string&)>& handler() {
    static function<void(const string&)> instance;
    return instance;
}
} // namespace

void PolarMPPlugin::setWarningHandler(function<void(const string&)> newHandler) {
    handler() = newHandler;
}

void PolarMPPlugin::warn(const string& message) {
    if (handler())
        handler()(message);
    else
        cerr << "Warning: " << message << endl;
}
