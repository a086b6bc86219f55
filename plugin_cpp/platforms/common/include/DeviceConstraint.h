#pragma once
#include "DevicePotential.h"
#include "openmm_polarmp/internal/ChargeGroups.h"

namespace PolarMPPlugin {

/** Given total charges of groups of atoms, or a given Fermi level, on a device (theory.md section 9; kernels/constraint.cc). */
class DeviceConstraint {
public:
    /** @param defines  macros for the kernels of the response */
    DeviceConstraint(OpenMM::ComputeContext& cc, ChargeGroups groups, SourceArrays& source, ResponseArrays& response,
                     std::map<std::string, std::string> defines);
    /** Macros for the kernels of the response. */
    static void addDefines(OpenMM::ComputeContext& cc, const ChargeGroups& groups, std::map<std::string, std::string>& defines);
    /** Whether total charges are given rather than a Fermi level. */
    bool hasGroups() const {
        return !groups.hasFermiLevel();
    }
    /** Queues the sums of the present moments; the first number of `fault` becomes 1 if a charge is impossible. */
    void setMoments(OpenMM::ComputeArray& fault);
    /** Throws an exception that names the impossible charge. */
    [[noreturn]] void throwImpossible() const;
    /** Queues the levels of what the atoms feel at present. */
    void findLevels(const FieldArguments& field);
    /** Queues the means of a residual, four numbers an atom. */
    void findMeans(OpenMM::ComputeArray& residual);

    OpenMM::ComputeArray groupOf;  // [N], -1 for none
    OpenMM::ComputeArray levels;   // [G] V
    OpenMM::ComputeArray shares;   // [G] e, of the given charge for each atom
    OpenMM::ComputeArray means;    // [G] V

private:
    static constexpr int REDUCTION_SIZE = 64;
    void execute(OpenMM::ComputeKernel& kernel);
    OpenMM::ComputeContext& cc;
    const ChargeGroups groups;
    OpenMM::ComputeArray members, firstOf, givenCharges, softnessOf, lacking;
    OpenMM::ComputeKernel sumKernel, levelsKernel, meansKernel;
};

} // namespace PolarMPPlugin
