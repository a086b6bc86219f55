#include "openmm_polarmp/internal/MeshChoice.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <string>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

const vector<MeshRule>& PolarMPPlugin::getMeshRules() {
    // Equal to openmm_polarmp/electrostatics/mesh_table.py (a test compares them), where it is said how it was measured.
    static const vector<MeshRule> rules = {
        {5e-4, 8, 3, 17.0, 11, 0.66},
    };
    return rules;
}

const MeshRule& PolarMPPlugin::chooseMeshRule(double accuracy) {
    for (const MeshRule& rule : getMeshRules())
        if (rule.accuracy <= accuracy * (1 + 1e-9))
            return rule;
    throw OpenMMException("PolarMPForce: the Ewald error tolerance is " + to_string(accuracy) + "; the mesh reaches "
                          + to_string(getMeshRules().back().accuracy) + " at best. The Reference platform sums exactly.");
}

int PolarMPPlugin::legalMeshSize(int minimum) {
    for (int n = max(minimum, 1);; n++) {
        int rest = n;
        for (int factor : {2, 3, 5, 7})
            while (rest % factor == 0)
                rest /= factor;
        if (rest == 1)
            return n;
    }
}

double PolarMPPlugin::largestSpacing(double sigma, double kMax, const MeshRule& rule) {
    double spacing = rule.spacing * sigma;
    return kMax > 0 ? min(spacing, M_PI / kMax) : spacing;
}

void PolarMPPlugin::chooseMeshSize(const Vec3 box[3], double sigma, double kMax, const MeshRule& rule, int size[3]) {
    for (int i = 0; i < 3; i++) {
        double points = sqrt(box[i].dot(box[i])) / largestSpacing(sigma, kMax, rule);
        if (!(points < 10000))
            throw OpenMMException("PolarMPForce: box vector " + to_string(i) + " would need " + to_string(points)
                                  + " mesh points; is the box right? Its length is " + to_string(sqrt(box[i].dot(box[i]))) + " A");
        size[i] = legalMeshSize(max((int) ceil(points - 1e-9), rule.width));
    }
}

bool PolarMPPlugin::meshIsFineEnough(const Vec3 box[3], double sigma, double kMax, const MeshRule& rule, const int size[3]) {
    for (int i = 0; i < 3; i++)
        if (sqrt(box[i].dot(box[i])) / size[i] > 1.02 * largestSpacing(sigma, kMax, rule))
            return false;
    return true;
}
