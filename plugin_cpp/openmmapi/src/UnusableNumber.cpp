#include "openmm_polarmp/internal/UnusableNumber.h"
#include "openmm/OpenMMException.h"
#include <cmath>
#include <sstream>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

void PolarMPPlugin::throwUnusable(const string& quantity, int particle, double value) {
    stringstream message;
    message << "PolarMPForce: the " << quantity << " of particle " << particle << " is " << value
            << (isfinite(value) ? "; it must not be negative" : "; it must be a finite number");
    throw OpenMMException(message.str());
}

void PolarMPPlugin::throwUnusableEnergy() {
    throw OpenMMException("PolarMPForce: the energy from the source of moments is not a finite number");
}
