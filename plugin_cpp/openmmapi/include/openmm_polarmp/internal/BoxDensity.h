#pragma once
#include "openmm/Vec3.h"

namespace PolarMPPlugin {

/**
 * Throws an exception if the atoms would have implausibly many neighbors: the box has collapsed, or is in another unit.
 *
 * @param cutoff  A
 * @param box     in A
 */
void checkDensity(int numAtoms, double cutoff, const OpenMM::Vec3 box[3]);

} // namespace PolarMPPlugin
