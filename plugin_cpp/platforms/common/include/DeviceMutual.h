#pragma once
#include "DeviceConstraint.h"
#include <functional>

namespace PolarMPPlugin {

/**
 * Induced moments that feel each other (theory.md section 9; kernels/mutual.cc): conjugate gradients as in the host platforms'
 * MutualInduction, with one number downloaded in each iteration.
 */
class DeviceMutual {
public:
    /** Lets the source compute what flows for the potential in its array: with the field, or without one. */
    using Flow = std::function<void(bool inField)>;

    /**
     * @param constraint  given total charges or a Fermi level; may be null
     * @param defines     macros for the kernels of the response
     */
    DeviceMutual(OpenMM::ComputeContext& cc, const PolarMPForce& force, SourceArrays& source, ResponseArrays& response, bool conducts,
                 DeviceConstraint* constraint, std::map<std::string, std::string> defines);
    /**
     * From what the permanent moments make the atoms feel to the induced moments, their potential, and what the atoms feel in all.
     *
     * @return  false if a number is not finite: then something is wrong with the step's input
     */
    bool solve(DevicePotential& potential, const FieldArguments& field, const Flow& flow);
    /** Forgets earlier steps, which say nothing about the next one. */
    void forget() {
        known = 0;
    }
    int getIterations() const {
        return iterations;
    }

private:
    static constexpr int REDUCTION_SIZE = 64;
    /** Sums the products into one of `sums`. */
    void sum(int place);
    double downloadedSum(int place);
    void startFromPrediction();
    [[noreturn]] void throwCatastropheOfDirection();

    OpenMM::ComputeContext& cc;
    ResponseArrays& response;
    const int numParticles, maxIterations;
    const double tolerance;
    const bool conducts;
    DeviceConstraint* const constraint;
    const bool hasGroups;
    OpenMM::ComputeArray permanentFelt, guess, history, residual, preconditioned, solution, directionFelt, applied, products, sums;
    OpenMM::ComputeKernel start, respond, firstResidual, precondition, sumProducts, nextDirection, applyMatrix, stepAlong, writeSolution, end;
    int known = 0, newest = 0;  // earlier steps in `history`, and the place of the last one
    int iterations = 0;
};

} // namespace PolarMPPlugin
