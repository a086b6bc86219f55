#include "DeviceMovingCharges.h"
#include "DevicePotential.h"
#include "KernelSources.h"
#include <algorithm>
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

DeviceMovingCharges::DeviceMovingCharges(ComputeContext& cc, int n, double reach, const map<string, string>& defines, ComputeArray& positions,
                                         ComputeArray& box, ComputeArray& atomOf)
        : cc(cc), numParticles(n), reach(reach) {
    int real = elementSize(cc, false);
    offsets.initialize(cc, n, real, "polarmpOffsets");
    zeros.initialize(cc, 9 * n, real, "polarmpZeros");
    zeroSums.initialize<long long>(cc, 2, "polarmpZeroSums");
    forces.initialize<long long>(cc, 3 * cc.getPaddedNumAtoms(), "polarmpPassForces");
    for (ComputeArray* array : {&zeros, &zeroSums, &forces})
        cc.clearBuffer(*array);
    ComputeProgram program = cc.compileProgram(KernelSources::networkField, defines);
    ArrayInterface* later = nullptr;
    ArrayInterface* total = &cc.getLongForceBuffer();
    offsetsKernel = createKernel(program, "slabOffsets", {&positions, &box, later, later, later, &offsets});
    fillKernel = createKernel(program, "fillOffsets", {&offsets});
    slabKernel = createKernel(program, "addSlab", {&positions, &box, later, later, later, later, &atomOf, &forces, total});
    centerKernel = createKernel(program, "addCenterOffsets", {&positions, &box, later, later, later, later, later, later, &atomOf, &forces, total});
}

bool DeviceMovingCharges::addForces(const Vec3& field, const Vec3 vectors[3], const function<void()>& backward) {
    double volume = fabs(vectors[0].dot(vectors[1].cross(vectors[2])));
    double strengths[3];
    int slabs[3], passes = 0;
    bool isThin = false;
    for (int d = 0; d < 3; d++) {
        strengths[d] = field.dot(vectors[d]);
        Vec3 face = vectors[(d + 1) % 3].cross(vectors[(d + 2) % 3]);
        double share = reach * sqrt(face.dot(face)) / volume;  // of the box's height
        slabs[d] = 1;
        if (strengths[d] == 0)
            continue;
        isThin |= (2 * share >= 1);
        // An atom lies up to 1/(2n) from the centre of its slab and its partner `share` further: together less than 1/2.
        if (2 * share < 1)
            slabs[d] = max(1, (int) ceil(1 / (1 - 2 * share) - 1e-9));
        passes += slabs[d];
    }
    if (isThin || passes >= numParticles)
        return false;
    addSlabs(strengths, slabs, backward);
    fillKernel->execute(numParticles);
    backward();
    for (int d = 0; d < 3; d++) {
        centerKernel->setArg(2 + d, slabs[d]);
        setMixedArg(cc, centerKernel, 5 + d, strengths[d]);
    }
    centerKernel->execute(numParticles);
    return true;
}

void DeviceMovingCharges::addSlabs(const double strengths[3], const int slabs[3], const function<void()>& backward) {
    for (int d = 0; d < 3; d++)
        for (int slab = 0; slab < slabs[d] && strengths[d] != 0; slab++) {
            int place[3] = {d, slab, slabs[d]};
            for (int i = 0; i < 3; i++) {
                offsetsKernel->setArg(2 + i, place[i]);
                slabKernel->setArg(2 + i, place[i]);
            }
            setMixedArg(cc, slabKernel, 5, strengths[d]);
            offsetsKernel->execute(numParticles);
            backward();
            slabKernel->execute(numParticles);
        }
}
