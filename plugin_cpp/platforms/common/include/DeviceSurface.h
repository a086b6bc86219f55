#pragma once
#include "DevicePotential.h"
#include "openmm_polarmp/internal/ChargeGroups.h"

namespace PolarMPPlugin {

/** What other surroundings than conducting ones add to potentials in a box (theory.md section 10; kernels/surface.cc). */
class DeviceSurface {
public:
    /** @param defines  macros for the kernels of the response */
    DeviceSurface(OpenMM::ComputeContext& cc, const PolarMPForce& force, OpenMM::ComputeArray& positions, ChargeArrays& charges,
                  std::map<std::string, std::string> defines);
    void setBox(const OpenMM::Vec3 box[3]);
    /** Adds the potential of multipoles, and of `others` of the same atoms if there are any, at the atoms. */
    void add(OpenMM::ComputeArray& sources, OpenMM::ComputeArray* others, OpenMM::ComputeArray& potential);
    /** Adds the potential of the point charges at the atoms. */
    void addOfCharges();
    /** Adds the forces on the point charges; the sources are those of the last call of add(). */
    void addForcesOnCharges();
    /** Adds the potential of multipoles at points. */
    void addAtPoints(OpenMM::ComputeArray& sources, OpenMM::ComputeArray& points, OpenMM::ComputeArray& potential);
    /** Throws an exception for a charged box in vacuum. */
    void checkCharge(OpenMM::ComputeArray& permanent);

private:
    static constexpr int REDUCTION_SIZE = 64;
    void sum(OpenMM::ComputeArray& sources, OpenMM::ComputeArray* others);
    void setBoxArgs(OpenMM::ComputeKernel& kernel, int first);
    OpenMM::ComputeContext& cc;
    ChargeArrays& charges;
    const bool isVacuum;
    const double sigma;
    const int numParticles;
    const ChargeGroups groups;
    double inverseVolume = 0, rest = 0;
    OpenMM::ComputeArray sums, sumsOfCharges;
    OpenMM::ComputeKernel sumSources, sumCharges, addAtAtoms, pointsKernel, forcesKernel;
};

} // namespace PolarMPPlugin
