#pragma once
#include "CellList.h"
#include "DeviceChargePairs.h"
#include "DeviceSurface.h"
#include "openmm_polarmp/internal/MeshChoice.h"

namespace PolarMPPlugin {

/** The potential in a periodic box: the mesh (kernels/mesh.cc, spread.cc, gather.cc, influence.cc). */
class DeviceMesh : public DevicePotential {
public:
    /** @param defines  macros for the kernels of the response, some of which are fused with those of the mesh */
    DeviceMesh(OpenMM::ComputeContext& cc, const PolarMPForce& force, SourceArrays& source, ResponseArrays& response, ChargeArrays& charges,
               std::map<std::string, std::string> defines);
    void setBox(const OpenMM::Vec3 box[3]) override;
    void setPositions() override;
    void potentialOfCharges() override;
    /** Reads the mesh as the last round of a step has left it. */
    void forcesOnCharges() override;
    void induce(const FieldArguments& field) override;
    void potentialOfInduced() override;
    void potentialAtPoints(OpenMM::ComputeArray& points, OpenMM::ComputeArray& sources, OpenMM::ComputeArray& potential) override;
    void getMeshSize(int size[3]) const override;

private:
    /** Arrays and kernels that depend on the number of mesh points. */
    struct Mesh {
        OpenMM::ComputeArray fixedPoint, values, spectrum, deconvolution, influence;
        OpenMM::FFT3D fft;
        OpenMM::ComputeKernel setBox, setInfluence, spreadPermanent, spreadSources, toReal, convolve, gatherAndInduce, gather, gatherPotential;
        OpenMM::ComputeKernel gatherPermanent, addCharges, induce;                     // with a surface term only
        OpenMM::ComputeKernel spreadCharges, gatherCharges, removePermanent, gatherForces;  // with point charges only
    };
    void allocateMesh();
    void createKernels();
    void spread(OpenMM::ComputeArray& sources);
    /** The end of induce() where the potential gains a surface term, for which the sources of all atoms are needed. */
    void induceWithSurface(const FieldArguments& field);
    /** Launches a kernel whose work groups process several atoms at once. */
    void executeForAtoms(OpenMM::ComputeKernel& kernel, int numAtoms);
    /** Turns the sources that have been spread into the potential on the mesh. */
    void solve();

    const double sigma, kMax;
    const MeshRule rule;
    const Window window;
    const int blockSize, groupAtoms;  // threads of a work group, and atoms that it processes at once
    const int residentThreads;        // per multiprocessor of the device
    const bool inducesLater;          // the induced moments are not complete when the potential of the permanent ones is gathered
    bool sizeIsFixed;
    int size[3], stepsUntilSort = 0;
    OpenMM::ComputeArray coefficients, toFractional, derivativeTransform;
    OpenMM::ComputeProgram program;
    CellList cells;  // atoms are processed in its order
    std::unique_ptr<CellList> chargeCells;           // the charges in theirs; null without charges
    std::unique_ptr<DeviceChargePairs> chargePairs;  // null unless the charges are points
    std::unique_ptr<DeviceSurface> surface;          // null in conducting surroundings
    bool chargeIsChecked = false;
    std::unique_ptr<Mesh> mesh;
};

} // namespace PolarMPPlugin
