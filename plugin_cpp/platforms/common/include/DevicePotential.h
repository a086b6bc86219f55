#pragma once
#include "SourceLink.h"
#include "openmm/common/ComputeArray.h"
#include "openmm/common/ComputeContext.h"
#include "openmm_polarmp/PolarMPForce.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace PolarMPPlugin {

/** The size of `real` on this device, or of `mixed`, in bytes. */
int elementSize(OpenMM::ComputeContext& cc, bool mixed);

/** Macros that every kernel of ours is compiled with. */
std::map<std::string, std::string> commonDefines(OpenMM::ComputeContext& cc, int numParticles);

void setMixedArg(OpenMM::ComputeContext& cc, OpenMM::ComputeKernel& kernel, int index, double value);

/** Arrays of the response and the derivatives, in the order of the force's particles. */
struct ResponseArrays {
    OpenMM::ComputeArray permanent, induced, phi, phiInduced, electricField, forces, energies, sums;
    void initialize(OpenMM::ComputeContext& cc, int numParticles);
};

/** The point charges around the atoms, in the order of the force's embedding charges. */
struct ChargeArrays {
    int size = 0;
    bool arePoints = false;  // rather than smeared
    double total = 0;        // e
    OpenMM::ComputeArray charges;    // [M] e, times the embedding's scale
    OpenMM::ComputeArray positions;  // [3 M] in A, as `mixed`
    OpenMM::ComputeArray forces;     // [3 M] in eV/A
    OpenMM::ComputeArray potential;  // [20 N] of the charges at the atoms, with derivatives
    void initialize(OpenMM::ComputeContext& cc, int numParticles, const PolarMPForce& force);
};

/** The external field (V/A, without its latent scale) and the inverse volume: five consecutive arguments of kernels. */
struct FieldArguments {
    OpenMM::Vec3 field;
    double inverseVolume;
    void setArgs(OpenMM::ComputeContext& cc, OpenMM::ComputeKernel& kernel, int first) const;
};

/** Creates a kernel with these arguments; those that are nullptr are set later. */
OpenMM::ComputeKernel createKernel(OpenMM::ComputeProgram& program, const char* name, const std::vector<OpenMM::ArrayInterface*>& arguments);

class DeviceChargePairs;

/** Macros of kernels/radial.cc for the pair kernel of this width (A). */
void addRadialDefines(OpenMM::ComputeContext& cc, double sigma, std::map<std::string, std::string>& defines);

/** Computes the potential of smeared multipoles on a device: 20 derivatives for each atom (kernels/tensors.cc). */
class DevicePotential {
public:
    /** @param charges  of size 0 if there are none */
    DevicePotential(OpenMM::ComputeContext& cc, SourceArrays& source, ResponseArrays& response, ChargeArrays& charges)
            : cc(cc), source(source), response(response), charges(charges), numParticles(source.moments[CHARGE].getSize()) {
    }
    virtual ~DevicePotential() = default;
    /** Sets the box (A). */
    virtual void setBox(const OpenMM::Vec3[3]) {
    }
    /** Prepares for the present positions, before the potentials of a step. */
    virtual void setPositions() {
    }
    /** Computes the potential of the point charges at the atoms. */
    virtual void potentialOfCharges() = 0;
    /** Computes the forces on the point charges, after the potentials of a step. */
    virtual void forcesOnCharges() = 0;
    /** Computes `permanent` from the source's moments, `phi`, their potential with that of the charges, and the induced moments. */
    virtual void induce(const FieldArguments& field) = 0;
    /** Computes `phiInduced`, the potential of the induced moments. */
    virtual void potentialOfInduced() = 0;
    /**
     * @param points     [3 M] in A, as `mixed`
     * @param sources    [10 N] as `real`
     * @param potential  [M] as `real`
     */
    virtual void potentialAtPoints(OpenMM::ComputeArray& points, OpenMM::ComputeArray& sources, OpenMM::ComputeArray& potential) = 0;
    virtual void getMeshSize(int size[3]) const {
        size[0] = size[1] = size[2] = 0;
    }

protected:
    OpenMM::ComputeContext& cc;
    SourceArrays& source;
    ResponseArrays& response;
    ChargeArrays& charges;
    const int numParticles;
};

/** A cluster: all pairs. */
class DevicePairSum : public DevicePotential {
public:
    /** @param defines  macros for the kernels of the response */
    DevicePairSum(OpenMM::ComputeContext& cc, double sigma, SourceArrays& source, ResponseArrays& response, ChargeArrays& charges,
                  std::map<std::string, std::string> defines);
    ~DevicePairSum() override;
    void potentialOfCharges() override;
    void forcesOnCharges() override;
    void induce(const FieldArguments& field) override;
    void potentialOfInduced() override;
    void potentialAtPoints(OpenMM::ComputeArray& points, OpenMM::ComputeArray& sources, OpenMM::ComputeArray& potential) override;

private:
    OpenMM::ComputeKernel readKernel, permanentKernel, addChargesKernel, induceKernel, inducedKernel, pointsKernel;
    std::unique_ptr<DeviceChargePairs> chargePairs;  // null without charges
};

} // namespace PolarMPPlugin
