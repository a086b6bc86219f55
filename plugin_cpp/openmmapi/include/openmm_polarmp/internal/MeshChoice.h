#pragma once
#include "Window.h"
#include "openmm/Vec3.h"

namespace PolarMPPlugin {

/** One row of the measured table: this window on a mesh of spacing h <= spacing * sigma meets the accuracy. */
struct MeshRule {
    double accuracy;
    int width, m;
    double beta;
    int degree;
    double spacing;  // h / sigma
};

/** The loosest rule that meets the requested accuracy (theory.md section 5; measured by electrostatics/measure_mesh.py). */
const MeshRule& chooseMeshRule(double accuracy);
const std::vector<MeshRule>& getMeshRules();

/** The coarsest mesh spacing (A) that a rule allows; a mesh must also contain a hard cutoff kMax (1/A, 0: none). */
double largestSpacing(double sigma, double kMax, const MeshRule& rule);

/** The smallest number >= minimum whose only prime factors are 2, 3, 5 and 7. */
int legalMeshSize(int minimum);

/**
 * Number of mesh points along each box vector: at least |a|/h, so that the mesh contains every k up to pi/h, and at
 * least the window's width.
 *
 * @param box   box vectors in A
 * @param sigma in A
 * @param kMax  hard cutoff in 1/A or 0
 */
void chooseMeshSize(const OpenMM::Vec3 box[3], double sigma, double kMax, const MeshRule& rule, int size[3]);

/**
 * Whether a mesh is still fine enough for a box that has changed. Two per cent are tolerated, so that a barostat's
 * fluctuations do not cause a new mesh; a mesh is only ever replaced by a larger one.
 */
bool meshIsFineEnough(const OpenMM::Vec3 box[3], double sigma, double kMax, const MeshRule& rule, const int size[3]);

/** Throws if a mesh that the user asked for is smaller than the window. */
void checkMeshSize(const int size[3], const MeshRule& rule);

/** toGrid[3 d + a] = d(grid coordinate d)/d(Cartesian coordinate a), in 1/A. */
std::vector<double> gridTransform(const OpenMM::Vec3 box[3], const int size[3]);

/**
 * g(k)/V / |W^(k)|^2 for [nx][ny][nz/2+1], 0 at k = 0 and beyond a hard cutoff. No 1/n: spreading and gathering are sums
 * over mesh points of a window whose integral is one.
 */
std::vector<double> influenceFunction(const OpenMM::Vec3 box[3], const int size[3], double sigma, double kMax, const Window& window);

} // namespace PolarMPPlugin
