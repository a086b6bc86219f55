#include "Check.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/MeshChoice.h"
#include "openmm_polarmp/internal/MeshMemory.h"
#include "openmm/OpenMMException.h"
#include <string>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {

const Vec3 TRICLINIC[3] = {Vec3(20, 0, 0), Vec3(3, 18, 0), Vec3(-4, 5, 22)};

double spacing(const Vec3& vector, int points) {
    return sqrt(vector.dot(vector)) / points;
}

void legalSizesHaveSmallFactors() {
    CHECK(legalMeshSize(0) == 1);
    CHECK(legalMeshSize(11) == 12);
    CHECK(legalMeshSize(98) == 98);
    CHECK(legalMeshSize(121) == 125);
    for (int minimum = 1; minimum < 300; minimum++) {
        int size = legalMeshSize(minimum);
        CHECK(size >= minimum && size <= 1.2 * minimum + 1);
        for (int prime = 11; prime <= size; prime += 2)  // a composite number has a factor below it, which would fail first
            CHECK(size % prime != 0 || prime % 3 == 0 || prime % 5 == 0 || prime % 7 == 0);
    }
}

void theLoosestSufficientRuleIsChosen() {
    const vector<MeshRule>& rules = getMeshRules();
    for (size_t i = 0; i < rules.size(); i++) {
        CHECK(&chooseMeshRule(rules[i].accuracy) == &rules[i]);
        if (i > 0)
            CHECK(&chooseMeshRule(0.5 * (rules[i - 1].accuracy + rules[i].accuracy)) == &rules[i]);
    }
    CHECK(&chooseMeshRule(0.5) == &rules.front());
    CHECK_THROWS(chooseMeshRule(0.5 * rules.back().accuracy), "the mesh reaches");
}

void meshesAreFineEnough() {
    const double sigma = 1.1;
    for (double kMax : {0.0, 4.0, 8.0})
        for (const MeshRule& rule : getMeshRules()) {
            int size[3];
            chooseMeshSize(TRICLINIC, sigma, kMax, rule, size);
            CHECK(meshIsFineEnough(TRICLINIC, sigma, kMax, rule, size));
            for (int i = 0; i < 3; i++) {
                CHECK(spacing(TRICLINIC[i], size[i]) <= rule.spacing * sigma * (1 + 1e-12));
                CHECK(kMax == 0 || spacing(TRICLINIC[i], size[i]) <= M_PI / kMax * (1 + 1e-12));
                CHECK(size[i] >= rule.width && legalMeshSize(size[i]) == size[i]);
            }
        }
}

void smallBoxesGetAWindowsWidth() {
    const Vec3 box[3] = {Vec3(0.5, 0, 0), Vec3(0, 0.5, 0), Vec3(0, 0, 0.5)};
    const MeshRule& rule = chooseMeshRule(5e-4);
    int size[3];
    chooseMeshSize(box, 1, 0, rule, size);
    CHECK(size[0] == rule.width && size[1] == rule.width && size[2] == rule.width);
    const int tooSmall[3] = {rule.width, rule.width - 1, rule.width};
    checkMeshSize(size, rule);
    CHECK_THROWS(checkMeshSize(tooSmall, rule), "points along vector 1");
}

void aMeshSurvivesSmallChangesOfTheBox() {
    const MeshRule& rule = chooseMeshRule(5e-4);
    int size[3] = {100, 100, 100};
    const double edge = 100 * rule.spacing;  // of a box for which this mesh is just fine enough, sigma = 1 A
    auto isFineEnough = [&](double scale) {
        const Vec3 box[3] = {Vec3(scale * edge, 0, 0), Vec3(0, scale * edge, 0), Vec3(0, 0, scale * edge)};
        return meshIsFineEnough(box, 1, 0, rule, size);
    };
    CHECK(isFineEnough(0.5) && isFineEnough(1) && isFineEnough(1.019));
    CHECK(!isFineEnough(1.021));
}

void absurdBoxesAreRefused() {
    const Vec3 box[3] = {Vec3(1e6, 0, 0), Vec3(0, 10, 0), Vec3(0, 0, 10)};
    int size[3];
    CHECK_THROWS(chooseMeshSize(box, 1, 0, getMeshRules().front(), size), "box vector 0 would need");
}

void gridCoordinatesOfBoxVectors() {
    const int size[3] = {30, 28, 36};
    vector<double> toGrid = gridTransform(TRICLINIC, size);
    for (int d = 0; d < 3; d++)
        for (int vector = 0; vector < 3; vector++) {
            double coordinate = 0;
            for (int a = 0; a < 3; a++)
                coordinate += toGrid[3 * d + a] * TRICLINIC[vector][a];
            CHECK_CLOSE(coordinate, d == vector ? size[d] : 0, 1e-12);
        }
}

/** g(k)/V / |W^(k)|^2 at lattice vectors k, of which k.a_i = 2 pi n_i. */
void influenceOfLatticeVectors() {
    const double sigma = 1, kMax = 3;
    const MeshRule& rule = chooseMeshRule(5e-4);
    const Window window(rule.width, rule.m, rule.beta, rule.degree);
    const int size[3] = {36, 35, 40};
    vector<double> influence = influenceFunction(TRICLINIC, size, sigma, kMax, window);
    CHECK(influence.size() == 36 * 35 * 21);
    CHECK(influence[0] == 0);
    const double volume = TRICLINIC[0].dot(TRICLINIC[1].cross(TRICLINIC[2]));
    int inside = 0;
    for (int i = -3; i <= 3; i++)
        for (int j = -10; j <= 10; j += 5)
            for (int l = 0; l <= 12; l += 4) {
                Vec3 k;
                const int n[3] = {i, j, l};
                double deconvolution = 1;
                for (int d = 0; d < 3; d++) {
                    k += TRICLINIC[(d + 1) % 3].cross(TRICLINIC[(d + 2) % 3]) * (2 * M_PI * n[d] / volume);
                    deconvolution /= window.transform(2 * M_PI * n[d] / size[d]);
                }
                const double k2 = k.dot(k), value = influence[((i + 36) % 36 * 35 + (j + 35) % 35) * 21 + l];
                if (k2 == 0)
                    continue;
                if (k2 > kMax * kMax)
                    CHECK(value == 0);
                else {
                    const double expected = 4 * M_PI * COULOMB * exp(-0.5 * sigma * sigma * k2) / k2 / volume * pow(deconvolution, 2);
                    CHECK_CLOSE(value, expected, 1e-12 * expected);
                    inside++;
                }
            }
    CHECK(inside > 10);
}

void aMeshMustFitIntoMemory() {
    const Vec3 box[3] = {Vec3(300, 0, 0), Vec3(0, 300, 0), Vec3(0, 0, 300)};
    const int size[3] = {540, 540, 540};
    CHECK(availableMemory() > 0);
    checkMeshMemory(box, size, 0);
    checkMeshMemory(box, size, 1e-6);
    string message;
    try {
        checkMeshMemory(box, size, 1e9);
    }
    catch (const OpenMMException& error) {
        message = error.what();
    }
    CHECK(message.find("540 x 540 x 540 points and 1.57e+08 GB of memory") != string::npos);
    CHECK(message.find("use NoCutoff") != string::npos);
}

} // namespace

int main() {
    return runTests({{"legal sizes have small factors", legalSizesHaveSmallFactors},
                     {"the loosest sufficient rule is chosen", theLoosestSufficientRuleIsChosen},
                     {"meshes are fine enough", meshesAreFineEnough},
                     {"small boxes get a window's width", smallBoxesGetAWindowsWidth},
                     {"a mesh survives small changes of the box", aMeshSurvivesSmallChangesOfTheBox},
                     {"absurd boxes are refused", absurdBoxesAreRefused},
                     {"grid coordinates of box vectors", gridCoordinatesOfBoxVectors},
                     {"influence of lattice vectors", influenceOfLatticeVectors},
                     {"a mesh must fit into memory", aMeshMustFitIntoMemory}});
}
