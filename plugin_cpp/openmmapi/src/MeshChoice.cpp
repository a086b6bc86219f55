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
        {0.01, 7, 3, 11.9, 6, 0.697},
        {0.003, 8, 2, 16.0, 7, 0.648},
        {0.001, 8, 3, 15.2, 7, 0.621},
        {0.0005, 8, 3, 16.8, 8, 0.556},
        {0.0002, 9, 2, 18.0, 7, 0.574},
        {0.0001, 9, 3, 18.0, 8, 0.55},
        {3e-05, 9, 3, 20.7, 8, 0.455},
        {1e-05, 10, 3, 21.0, 8, 0.499},
        {3e-06, 10, 3, 23.0, 8, 0.423},
        {1e-06, 11, 3, 23.1, 9, 0.464},
        {3e-07, 11, 3, 26.4, 9, 0.385},
        {1e-07, 12, 3, 26.4, 10, 0.427},
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
