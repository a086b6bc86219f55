#include "openmm_polarmp/internal/MeshChoice.h"
#include "openmm/OpenMMException.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <algorithm>
#include <cmath>
#include <string>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

const vector<MeshRule>& PolarMPPlugin::getMeshRules() {
    // Equal to openmm_polarmp/electrostatics/mesh_table.py (a test compares them), where it is said how it was measured.
    // clang-format off
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
    // clang-format on
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

void PolarMPPlugin::checkMeshSize(const int size[3], const MeshRule& rule) {
    for (int i = 0; i < 3; i++)
        if (size[i] < rule.width)
            throw OpenMMException("PolarMPForce: the mesh has " + to_string(size[i]) + " points along vector " + to_string(i)
                                  + "; the window of this error tolerance needs at least " + to_string(rule.width));
}

vector<double> PolarMPPlugin::gridTransform(const Vec3 box[3], const int size[3]) {
    double volume = box[0].dot(box[1].cross(box[2]));
    vector<double> toGrid(9);
    for (int d = 0; d < 3; d++) {
        Vec3 reciprocal = box[(d + 1) % 3].cross(box[(d + 2) % 3]) / volume;
        for (int a = 0; a < 3; a++)
            toGrid[3 * d + a] = size[d] * reciprocal[a];
    }
    return toGrid;
}

vector<double> PolarMPPlugin::influenceFunction(const Vec3 box[3], const int size[3], double sigma, double kMax, const Window& window) {
    double volume = fabs(box[0].dot(box[1].cross(box[2])));
    vector<double> toGrid = gridTransform(box, size), deconvolution[3];
    for (int d = 0; d < 3; d++)
        deconvolution[d] = window.inverseTransform(size[d]);
    auto frequency = [&](int d, int index) { return index <= size[d] / 2 ? index : index - size[d]; };
    // The highest frequency of an even size stands for both of its signs, which in a triclinic box are different wave vectors:
    // their mean keeps the spectrum that of a real mesh, whatever a Fourier transform makes of others.
    auto signs = [&](int d, int index) { return 2 * index == size[d] ? 2 : 1; };
    vector<double> influence;
    influence.reserve((size_t) size[0] * size[1] * (size[2] / 2 + 1));
    for (int i = 0; i < size[0]; i++)
        for (int j = 0; j < size[1]; j++)
            for (int l = 0; l <= size[2] / 2; l++) {
                double w = deconvolution[0][i] * deconvolution[1][j] * deconvolution[2][l], sum = 0;
                int numVectors = signs(0, i) * signs(1, j) * signs(2, l);
                for (int x = 0; x < signs(0, i); x++)
                    for (int y = 0; y < signs(1, j); y++)
                        for (int z = 0; z < signs(2, l); z++) {
                            int n[3] = {x ? -i : frequency(0, i), y ? -j : frequency(1, j), z ? -l : l};
                            Vec3 k;
                            for (int d = 0; d < 3; d++)
                                for (int a = 0; a < 3; a++)
                                    k[a] += 2 * M_PI * n[d] * toGrid[3 * d + a] / size[d];
                            double k2 = k.dot(k);
                            if (k2 > 0 && (kMax == 0 || k2 <= kMax * kMax))
                                sum += 4 * M_PI * COULOMB * exp(-0.5 * sigma * sigma * k2) / (k2 * volume);
                        }
                influence.push_back(sum / numVectors * w * w);
            }
    return influence;
}
