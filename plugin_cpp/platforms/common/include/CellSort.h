#pragma once
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"

namespace PolarMPPlugin {

/**
 * Sorts points by the cells in which they lie, on the device (kernels/cellsort.cc).
 *
 * A kernel of the user's finds the cells: before sort() it writes each point's cell into getCellOf() and adds 1 to the cell's entry
 * of getCount(), which it finds empty. Within a cell the points come in any order, not the same from run to run.
 */
class CellSort {
public:
    CellSort(OpenMM::ComputeContext& cc, int numPoints);
    void setNumCells(int number);
    /** Two kernels. */
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
    OpenMM::ComputeArray& getMembers() {
        return members;
    }
    /** [cells + 1] where a cell's points begin among the members */
    OpenMM::ComputeArray& getCellStart() {
        return cellStart;
    }

private:
    OpenMM::ComputeContext& cc;
    const int numPoints, scanSize;
    int numCells = 0;
    OpenMM::ComputeArray cellOf, count, next, cellStart, members;
    OpenMM::ComputeProgram program;
    OpenMM::ComputeKernel findCellStarts, fillCells;
};

} // namespace PolarMPPlugin
