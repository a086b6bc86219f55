#include "openmm_polarmp/internal/Surface.h"
#include "openmm/OpenMMException.h"
#include <cmath>
#include <sstream>

using namespace OpenMM;
using namespace std;

void PolarMPPlugin::checkNeutralBox(double charge) {
    constexpr double NEUTRAL = 1e-3;  // e
    if (fabs(charge) < NEUTRAL)
        return;
    stringstream message;
    message << "PolarMPForce: boundary is 'vacuum' and the box has a charge of " << charge
            << " e; neutral boxes are accepted, and charged slabs with 'slab_z'";
    throw OpenMMException(message.str());
}
