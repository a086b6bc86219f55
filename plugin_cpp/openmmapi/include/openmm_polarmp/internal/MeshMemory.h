#pragma once
#include "openmm/Vec3.h"

namespace PolarMPPlugin {

/** Bytes of memory that this process may still use; a very large number where the system does not say. */
double availableMemory();

/**
 * Throws an exception, with the numbers and what to do, unless a mesh fits into the available memory and its points can be
 * counted.
 *
 * @param box            A
 * @param bytesPerPoint  of all arrays together; 0: memory that is not the host's
 */
void checkMeshMemory(const OpenMM::Vec3 box[3], const int size[3], double bytesPerPoint);

} // namespace PolarMPPlugin
