#pragma once
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"

namespace PolarMPPlugin {

/**
 * Sorts points by the cells in which they lie, on the device (kernels/cellsort.cc). The order does not depend on how its
 * threads run: within a cell it is that of the points' numbers.
 *
 * The user's own kernel finds the cells: before sort() it has written each point's cell into getCellOf() and added 1 to the
 * cell's entry of getCount(), which it found empty.
 */
class CellSort {
public:
    CellSort(OpenMM::ComputeContext& cc, int numPoints);
    void setNumCells(int number);
    /** Three kernels. */
    void sort();
    /** [N] */
    OpenMM::ComputeArray& getCellOf() {
        return cellOf;
    }
    /** [cells] */
    OpenMM::ComputeArray& getCount() {
        return count;
    }
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
    const int numPoints, scanSize;
    int numCells = 0;
    OpenMM::ComputeArray cellOf, count, cellStart, members, order;
    OpenMM::ComputeProgram program;
    OpenMM::ComputeKernel findCellStarts, fillCells, sortCells;
};

} // namespace PolarMPPlugin
