#include "openmm_polarmp/internal/TestSwitches.h"

using namespace PolarMPPlugin;

TestSwitches& PolarMPPlugin::testSwitches() {
    static TestSwitches switches;
    return switches;
}
