#pragma once

namespace PolarMPPlugin {

/**
 * What the projection of the charges on a fixed sum adds to the charge transfer sum_j (r_j - r_i)_a dq_j/dr_i,b: every charge
 * loses 1/N of the change of their sum, at the mean of r_j - r_i, between nearest images in a periodic box.
 *
 * @param cell      [3,3] A, null for a cluster
 * @param gradient  [N,3] of the sum of the charges before the projection
 * @param transfer  [N,3,3], to which it is added
 */
void addProjectionTransfer(int numAtoms, const double* positions, const double* cell, const double* gradient, double* transfer);

} // namespace PolarMPPlugin
