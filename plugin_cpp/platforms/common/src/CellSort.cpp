#include "CellSort.h"
#include "DevicePotential.h"
#include "KernelSources.h"
#include <algorithm>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
const int BLOCK_SIZE = 128;
} // namespace

CellSort::CellSort(ComputeContext& cc, int numPoints) : cc(cc), numPoints(numPoints), scanSize(min(512, cc.getMaxThreadBlockSize())) {
    cellOf.initialize<int>(cc, numPoints, "polarmpCellOf");
    members.initialize<int>(cc, numPoints, "polarmpCellMembers");
    map<string, string> defines;
    defines["SCAN_SIZE"] = cc.intToString(scanSize);
    program = cc.compileProgram(KernelSources::cellsort, defines);
}

void CellSort::setNumCells(int number) {
    if (number == numCells)
        return;
    numCells = number;
    if (count.isInitialized()) {
        count.resize(numCells);
        next.resize(numCells);
        cellStart.resize(numCells + 1);
    }
    else {
        count.initialize<int>(cc, numCells, "polarmpCellCount");
        next.initialize<int>(cc, numCells, "polarmpCellNext");
        cellStart.initialize<int>(cc, numCells + 1, "polarmpCellStart");
    }
    cc.clearBuffer(count);
    ArrayInterface* later = nullptr;
    findCellStarts = createKernel(program, "findCellStarts", {later, later, &count, &cellStart, &next});
    fillCells = createKernel(program, "fillCells", {later, &cellOf, &next, &members});
    findCellStarts->setArg(0, numCells);
    findCellStarts->setArg(1, numPoints);
    fillCells->setArg(0, numPoints);
}

void CellSort::sort() {
    findCellStarts->execute(scanSize, scanSize);
    fillCells->execute(numPoints, BLOCK_SIZE);
}
