#pragma once
#include "CellSort.h"
#include "DevicePotential.h"
#include "openmm_polarmp/internal/MeshChoice.h"

namespace PolarMPPlugin {

/** The potential in a periodic box: the mesh (kernels/mesh.cc, gather.cc, influence.cc). */
class DeviceMesh : public DevicePotential {
public:
    /** @param defines  macros for the kernels of the response, some of which are fused with those of the mesh */
    DeviceMesh(OpenMM::ComputeContext& cc, const PolarMPForce& force, SourceArrays& source, ResponseArrays& response,
               std::map<std::string, std::string> defines);
    void setBox(const OpenMM::Vec3 box[3]) override;
    void setPositions() override;
    void induce(const FieldArguments& field) override;
    void potentialOfInduced() override;
    void potentialAtPoints(OpenMM::ComputeArray& points, OpenMM::ComputeArray& sources, OpenMM::ComputeArray& potential) override;
    void getMeshSize(int size[3]) const override;

private:
    /** What depends on the number of mesh points. */
    struct Mesh {
        OpenMM::ComputeArray fixedPoint, patches, values, spectrum, deconvolution, influence;
        OpenMM::FFT3D fft;
        OpenMM::ComputeKernel setBox, setInfluence, findCells, spreadPermanent, spreadSources, sum, convolve, gatherAndInduce, gather, gatherPotential;
    };
    void allocateMesh();
    void chooseCells();
    void createKernels();
    void executeSpread(OpenMM::ComputeKernel& kernel);
    /** Runs a kernel whose work groups take several atoms at once. */
    void executeForAtoms(OpenMM::ComputeKernel& kernel, int numAtoms);
    /** From what has been spread to the potential on the mesh. */
    void solve();

    const double sigma, kMax;
    const MeshRule rule;
    const Window window;
    const int blockSize, groupAtoms;  // threads of a work group, and atoms that it takes at once
    int threadsAtATime;  // on one of the device's processors
    bool sizeIsFixed, inPatches;
    int size[3], edge[3], cells[3], patchSize, stepsUntilSort = 0;
    OpenMM::ComputeArray coefficients, toFractional, derivativeTransform, starts, order;
    OpenMM::ComputeProgram program;
    CellSort sorter;
    std::unique_ptr<Mesh> mesh;
};

} // namespace PolarMPPlugin
