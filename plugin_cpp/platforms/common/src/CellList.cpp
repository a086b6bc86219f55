#include "CellList.h"
#include "DevicePotential.h"
#include "KernelSources.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

namespace {
const int SCAN_SIZE = 256;
}

CellList::CellList(ComputeContext& cc, int n, double cutoff, bool periodic, ComputeArray& unsortedPositions)
        : cc(cc), numParticles(n), cutoff(cutoff), periodic(periodic), unsortedPositions(unsortedPositions) {
    int mixed = unsortedPositions.getElementSize();
    particles.initialize<int>(cc, n, "polarmpSortedParticles");
    positions.initialize(cc, 3 * n, mixed, "polarmpSortedPositions");
    cellOf.initialize<int>(cc, n, "polarmpCellOf");
    box.initialize(cc, 18, mixed, "polarmpCellBox");
    start.initialize<int>(cc, 2, "polarmpCellStart");
    if (!periodic) {
        // One cell with all particles in their own order: nothing to sort.
        vector<int> order(n);
        iota(order.begin(), order.end(), 0);
        particles.upload(order);
        cc.clearBuffer(cellOf);
        start.upload(vector<int>{0, n});
        box.upload(vector<double>(18, 0.0), true);
        return;
    }
    placeInCell.initialize<int>(cc, n, "polarmpPlaceInCell");
    unsorted.initialize<int>(cc, n, "polarmpUnsorted");
    wrapped.initialize(cc, 3 * n, mixed, "polarmpWrapped");
    counts.initialize<int>(cc, 1, "polarmpCellCounts");
    cc.clearBuffer(counts);
    map<string, string> defines = commonDefines(cc, n);
    defines["SCAN_SIZE"] = cc.intToString(SCAN_SIZE);
    ComputeProgram program = cc.compileProgram(KernelSources::cells, defines);
    ArrayInterface* later = nullptr;
    countKernel = createKernel(program, "countInCells", {&unsortedPositions, &box, later, later, later, &cellOf, &placeInCell, &counts, &wrapped});
    startKernel = createKernel(program, "findCellStarts", {later, &counts, &start});
    fillKernel = createKernel(program, "fillCells", {&cellOf, &placeInCell, &start, &unsorted});
    sortKernel = createKernel(program, "sortCells", {&unsorted, &cellOf, &start, &wrapped, &particles, &positions});
}

void CellList::setBox(const Vec3 vectors[3]) {
    if (!periodic)
        return;
    double volume = vectors[0].dot(vectors[1].cross(vectors[2]));
    vector<double> values(18);
    // Cells are no thinner than the cutoff, and not many more than particles.
    int most = max(1, (int) cbrt(4.0 * numParticles));
    int numCells = 1;
    for (int d = 0; d < 3; d++) {
        Vec3 reciprocal = vectors[(d + 1) % 3].cross(vectors[(d + 2) % 3]) / volume;
        double height = 1 / sqrt(reciprocal.dot(reciprocal));
        size[d] = max(1, min(most, (int) (height / cutoff)));
        reach[d] = max(1, (int) ceil(cutoff * size[d] / height - 1e-9));
        numCells *= size[d];
        for (int a = 0; a < 3; a++) {
            values[3 * d + a] = vectors[d][a];
            values[9 + 3 * a + d] = reciprocal[a];
        }
    }
    box.upload(values, true);
    if ((int) counts.getSize() < numCells) {
        counts.resize(numCells);
        start.resize(numCells + 1);
        cc.clearBuffer(counts);
        countKernel->setArg(7, counts);
        startKernel->setArg(1, counts);
        startKernel->setArg(2, start);
        fillKernel->setArg(2, start);
        sortKernel->setArg(2, start);
    }
    for (int d = 0; d < 3; d++)
        countKernel->setArg(2 + d, size[d]);
    startKernel->setArg(0, numCells);
}

void CellList::sort() {
    if (!periodic) {
        unsortedPositions.copyTo(positions);
        return;
    }
    countKernel->execute(numParticles);
    startKernel->execute(SCAN_SIZE, SCAN_SIZE);
    fillKernel->execute(numParticles);
    sortKernel->execute(numParticles);
}
