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

/** The loosest rule that still meets the asked accuracy (theory.md section 5; measured by _measure_mesh.py). */
const MeshRule& chooseMeshRule(double accuracy);
const std::vector<MeshRule>& getMeshRules();

/** The smallest number >= minimum whose only prime factors are 2, 3, 5 and 7. */
int legalMeshSize(int minimum);

/**
 * Number of mesh points along each box vector: at least |a|/h, so that the mesh holds every k up to pi/h, and at
 * least the window's width.
 *
 * @param box   box vectors in A
 * @param sigma in A
 * @param kMax  hard cutoff in 1/A or 0
 */
void chooseMeshSize(const OpenMM::Vec3 box[3], double sigma, double kMax, const MeshRule& rule, int size[3]);

} // namespace PolarMPPlugin
