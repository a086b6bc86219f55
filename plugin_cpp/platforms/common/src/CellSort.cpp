#include "CellSort.h"
#include "DevicePotential.h"
#include "KernelSources.h"
#include <algorithm>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
const int BLOCK_SIZE = 128;
const int SCAN_SIZE = 256;
} // namespace

CellSort::CellSort(ComputeContext& cc, int numPoints) : cc(cc), numPoints(numPoints) {
    cellOf.initialize<int>(cc, numPoints, "polarmpCellOf");
    members.initialize<int>(cc, numPoints, "polarmpCellMembers");
    order.initialize<int>(cc, numPoints, "polarmpOrder");
    map<string, string> defines;
    defines["SCAN_SIZE"] = cc.intToString(min(SCAN_SIZE, cc.getMaxThreadBlockSize()));
    program = cc.compileProgram(KernelSources::cellsort, defines);
}

void CellSort::setCells(int x, int y, int z) {
    if (x == cells[0] && y == cells[1] && z == cells[2])
        return;
    cells[0] = x;
    cells[1] = y;
    cells[2] = z;
    int numCells = x * y * z;
    for (ComputeArray* array : {&count, &cellStart}) {
        int size = numCells + 1;
        if (array->isInitialized())
            array->resize(size);
        else
            array->initialize<int>(cc, size, array == &count ? "polarmpCellCount" : "polarmpCellStart");
    }
    cc.clearBuffer(count);
    ArrayInterface* later = nullptr;
    countPoints = createKernel(program, "countPoints", {later, later, later, later, later, later, &cellOf, &count});
    findCellStarts = createKernel(program, "findCellStarts", {later, later, &count, &cellStart});
    fillCells = createKernel(program, "fillCells", {later, &cellOf, &count, &members});
    sortCells = createKernel(program, "sortCells", {later, later, &cellOf, &cellStart, &members, &count, &order});
    countPoints->setArg(0, numPoints);
    for (int i = 0; i < 3; i++)
        countPoints->setArg(1 + i, cells[i]);
    findCellStarts->setArg(0, numCells);
    findCellStarts->setArg(1, numPoints);
    fillCells->setArg(0, numPoints);
    sortCells->setArg(0, numPoints);
    sortCells->setArg(1, numCells);
}

void CellSort::sort(ComputeArray& positions, ComputeArray& toFractional) {
    countPoints->setArg(4, positions);
    countPoints->setArg(5, toFractional);
    countPoints->execute(numPoints, BLOCK_SIZE);
    int scanSize = min(SCAN_SIZE, cc.getMaxThreadBlockSize());
    findCellStarts->execute(scanSize, scanSize);
    fillCells->execute(numPoints, BLOCK_SIZE);
    sortCells->execute(numPoints, BLOCK_SIZE);
}
