#pragma once
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm_polarmp/PolarMPForce.h"
#include "openmm_polarmp/internal/MeshChoice.h"
#include <map>
#include <memory>
#include <string>

namespace PolarMPPlugin {

/** Macros that every kernel of ours is compiled with. */
std::map<std::string, std::string> commonDefines(OpenMM::ComputeContext& cc, int numParticles);

/** Computes the potential of smeared multipoles on a device: 20 derivatives for each atom (kernels/tensors.cc). */
class DevicePotential {
public:
    virtual ~DevicePotential() = default;
    /** @param box  in A */
    virtual void setBox(const OpenMM::Vec3 box[3]) {
    }
    /** Announces where the atoms are, before the potentials of a step. */
    virtual void setPositions() {
    }
    virtual void potentialAtAtoms(OpenMM::ComputeArray& sources, OpenMM::ComputeArray& phi) = 0;
    /** @param points  [3 M] in A, as `mixed`  @param potential  [M] `real` */
    virtual void potentialAtPoints(OpenMM::ComputeArray& points, OpenMM::ComputeArray& sources, OpenMM::ComputeArray& potential) = 0;
    virtual void getMeshSize(int size[3]) const {
        size[0] = size[1] = size[2] = 0;
    }
};

/** A cluster: all pairs. */
class DevicePairSum : public DevicePotential {
public:
    DevicePairSum(OpenMM::ComputeContext& cc, double sigma, OpenMM::ComputeArray& positions);
    void potentialAtAtoms(OpenMM::ComputeArray& sources, OpenMM::ComputeArray& phi) override;
    void potentialAtPoints(OpenMM::ComputeArray& points, OpenMM::ComputeArray& sources, OpenMM::ComputeArray& potential) override;

private:
    const int numParticles;
    OpenMM::ComputeArray& positions;
    OpenMM::ComputeKernel atomsKernel, pointsKernel;
};

/** A periodic box: the mesh. */
class DeviceMesh : public DevicePotential {
public:
    DeviceMesh(OpenMM::ComputeContext& cc, const PolarMPForce& force, OpenMM::ComputeArray& positions);
    void setBox(const OpenMM::Vec3 box[3]) override;
    void setPositions() override;
    void potentialAtAtoms(OpenMM::ComputeArray& sources, OpenMM::ComputeArray& phi) override;
    void potentialAtPoints(OpenMM::ComputeArray& points, OpenMM::ComputeArray& sources, OpenMM::ComputeArray& potential) override;
    void getMeshSize(int result[3]) const override;

private:
    /** What depends on the number of mesh points. */
    struct Mesh {
        OpenMM::ComputeArray fixedPoint, values, spectrum, influence;
        OpenMM::FFT3D fft;
        OpenMM::ComputeKernel place, spread, toReal, convolve, gather, gatherPotential;
    };
    void allocateMesh();
    void placeOnMesh(OpenMM::ComputeArray& points, OpenMM::ComputeArray& start, OpenMM::ComputeArray& weights);
    void sumPotential(OpenMM::ComputeArray& sources);

    OpenMM::ComputeContext& cc;
    OpenMM::ComputeArray& positions;
    const int numParticles;
    const double sigma, kMax;
    const MeshRule rule;
    const Window window;
    bool sizeIsFixed;
    int size[3];
    OpenMM::ComputeArray coefficients, toGrid, start, weights;
    std::unique_ptr<Mesh> mesh;
};

} // namespace PolarMPPlugin
