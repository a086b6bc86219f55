#include "openmm_polarmp/internal/MeshMemory.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

const double GIGABYTE = 1e9;
const double MOST_POINTS = 2147483647;  // they are counted in int

/** The number in a file of one number; infinite if there is none, as where the limit is "max". */
double numberIn(const char* path) {
    ifstream file(path);
    double number;
    return file >> number ? number : numeric_limits<double>::infinity();
}

} // namespace

double PolarMPPlugin::availableMemory() {
    double available = numeric_limits<double>::infinity();
    ifstream file("/proc/meminfo");
    string name, unit;
    for (double kilobytes; file >> name >> kilobytes; getline(file, unit))
        if (name == "MemAvailable:")
            available = 1024 * kilobytes;
    // the limit of a container
    const double limit = numberIn("/sys/fs/cgroup/memory.max"), used = numberIn("/sys/fs/cgroup/memory.current");
    return isfinite(limit) && isfinite(used) ? min(available, max(0.0, limit - used)) : available;
}

void PolarMPPlugin::checkMeshMemory(const Vec3 box[3], const int size[3], double bytesPerPoint) {
    const double points = (double) size[0] * size[1] * size[2], needed = bytesPerPoint * points;
    const double available = bytesPerPoint > 0 ? availableMemory() : numeric_limits<double>::infinity();
    if (points <= MOST_POINTS && needed <= available)
        return;
    stringstream message;
    message.precision(3);
    message << "PolarMPForce: box vectors of ";
    for (int d = 0; d < 3; d++)
        message << (d == 0 ? "" : ", ") << sqrt(box[d].dot(box[d]));
    message << " A need a mesh of " << size[0] << " x " << size[1] << " x " << size[2] << " points";
    if (points > MOST_POINTS)
        message << ", " << points << " in all; " << MOST_POINTS << " are accepted";
    else
        message << " and " << needed / GIGABYTE << " GB of memory; " << available / GIGABYTE << " GB are available";
    message << ". For few atoms in much vacuum use NoCutoff (a cluster, summed over all pairs) or a smaller box; otherwise a larger Ewald "
               "error tolerance, with which the mesh is coarser";
    throw OpenMMException(message.str());
}
