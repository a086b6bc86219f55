#pragma once
#include "openmm/Vec3.h"
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"

namespace PolarMPPlugin {

/**
 * Particles sorted by the cells of a grid on the device (kernels/cells.cc), by four small kernels and without the host. The
 * neighbours of a particle within the cutoff lie in the cells up to `reach` around its cell.
 */
class CellList {
public:
    /**
     * @param cutoff     A, minimum thickness of the cells where the box allows it
     * @param positions  [3 N] in A, as `mixed`
     */
    CellList(OpenMM::ComputeContext& cc, int numParticles, double cutoff, bool periodic, OpenMM::ComputeArray& positions);
    /** @param box  in A */
    void setBox(const OpenMM::Vec3 box[3]);
    /** Sorts the particles by their present positions. */
    void sort();
    /** [N] the particle at each place of the sorted order */
    OpenMM::ComputeArray particles;
    /** [3 N] positions in the order of `particles`, moved into the box, as `mixed` */
    OpenMM::ComputeArray positions;
    /** [N] the cell of each particle, in the order of the particles */
    OpenMM::ComputeArray cellOf;
    /** [cells + 1] the first place of each cell */
    OpenMM::ComputeArray start;
    /** [18] the box and its inverse, as `mixed`, in the layout of kernels/cells.cc */
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
