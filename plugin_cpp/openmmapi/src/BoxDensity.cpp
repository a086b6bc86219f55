#include "openmm_polarmp/internal/BoxDensity.h"
#include "openmm/OpenMMException.h"
#include <cmath>
#include <sstream>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

// For comparison: an atom of liquid water has 50 neighbors within 5 A.
static const double MOST_NEIGHBORS = 3000;

void PolarMPPlugin::checkDensity(int numAtoms, double cutoff, const Vec3 box[3]) {
    double expected = numAtoms * 4 * M_PI / 3 * pow(cutoff, 3) / fabs(box[0].dot(box[1].cross(box[2])));
    if (expected <= MOST_NEIGHBORS)
        return;
    stringstream message;
    message << "PolarMPForce: box vectors of ";
    for (int d = 0; d < 3; d++)
        message << (d == 0 ? "" : ", ") << sqrt(box[d].dot(box[d]));
    message << " A for " << numAtoms << " atoms are too short: an atom would have " << expected << " neighbors within " << cutoff << " A; "
            << MOST_NEIGHBORS << " are accepted";
    throw OpenMMException(message.str());
}
