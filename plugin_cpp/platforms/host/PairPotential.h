#pragma once
#include "Multipole.h"

namespace PolarMPPlugin {

/**
 * The potential of multipoles through the pair kernel g(r) = k_e erf(r / (sqrt(2) sigma)) / r, without periodicity
 * (theory.md section 2, "Clusters").
 */
class PairPotential {
public:
    explicit PairPotential(double sigma);
    /** Adds the potential of a source and its derivatives at the displacement r from the source. */
    void addDerivatives(const OpenMM::Vec3& r, const Multipole& source, Derivatives& result) const;
    double value(const OpenMM::Vec3& r, const Multipole& source) const;
    OpenMM::Vec3 gradient(const OpenMM::Vec3& r, const Multipole& source) const;

private:
    /** B_0 = g, B_{n+1} = -(1/r) dB_n/dr for n up to 5, with k_e inside. */
    void radial(double r2, double B[6]) const;
    double a;  // 1 / (sqrt(2) sigma)
};

} // namespace PolarMPPlugin
