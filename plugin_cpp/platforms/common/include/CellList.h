#pragma once
#include "openmm/Vec3.h"
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"

namespace PolarMPPlugin {

/**
 * Particles sorted by the cells of a grid on the device (kernels/cells.cc): four small kernels, and no host looks at a
 * number. The neighbours of a particle within the cutoff lie in the cells up to `reach` around its own.
 */
class CellList {
public:
    /** @param cutoff  A, cells are no thinner where the box allows it  @param positions  [3 N] in A, as `mixed` */
    CellList(OpenMM::ComputeContext& cc, int numParticles, double cutoff, bool periodic, OpenMM::ComputeArray& positions);
    /** @param box  in A */
    void setBox(const OpenMM::Vec3 box[3]);
    /** Sort the particles where they are now. */
    void sort();
    /** [N] the particle at each place */
    OpenMM::ComputeArray particles;
    /** [3 N] positions in the order of `particles`, moved into the box, as `mixed` */
    OpenMM::ComputeArray positions;
    /** [N] of each particle, in the order of the particles */
    OpenMM::ComputeArray cellOf;
    /** [cells + 1] the first place of each cell */
    OpenMM::ComputeArray start;
    /** [18] the box and its inverse, as `mixed`: kernels/cells.cc */
    OpenMM::ComputeArray box;
    int size[3] = {1, 1, 1}, reach[3] = {0, 0, 0};

private:
    OpenMM::ComputeContext& cc;
    const int numParticles;
    const double cutoff;
    const bool periodic;
    OpenMM::ComputeArray& unsortedPositions;
    OpenMM::ComputeArray placeInCell, counts, unsorted, wrapped;
    OpenMM::ComputeKernel countKernel, startKernel, fillKernel, sortKernel;
};

} // namespace PolarMPPlugin
