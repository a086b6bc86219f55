#pragma once
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"

namespace PolarMPPlugin {

/**
 * Sorts points by the cell of a periodic box in which they lie, on the device (kernels/cellsort.cc). The order does not
 * depend on how its threads run: within a cell it is that of the points' numbers.
 */
class CellSort {
public:
    CellSort(OpenMM::ComputeContext& cc, int numPoints);
    /** Cells along each box vector; z counts fastest. */
    void setCells(int x, int y, int z);
    /**
     * Four kernels.
     *
     * @param positions     [3 N] `mixed`
     * @param toFractional  [9] `mixed`: row d gives the fractional coordinate d
     */
    void sort(OpenMM::ComputeArray& positions, OpenMM::ComputeArray& toFractional);
    /** [N] the points, sorted */
    OpenMM::ComputeArray& getOrder() {
        return order;
    }
    /** [cells + 1] where a cell's points begin in the order */
    OpenMM::ComputeArray& getCellStart() {
        return cellStart;
    }

private:
    OpenMM::ComputeContext& cc;
    const int numPoints;
    int cells[3] = {0, 0, 0};
    OpenMM::ComputeArray cellOf, count, cellStart, members, order;
    OpenMM::ComputeProgram program;
    OpenMM::ComputeKernel countPoints, findCellStarts, fillCells, sortCells;
};

} // namespace PolarMPPlugin
