#pragma once
#include "PotentialSolver.h"
#include <vector>

namespace PolarMPPlugin {

/**
 * The sum over reciprocal lattice vectors of theory.md section 2, term by term: the reference for the mesh. It extends to
 * k = 9/sigma, where exp(-sigma^2 k^2 / 2) is 3e-18, or to the force's hard cutoff.
 */
class ReciprocalSum : public PotentialSolver {
public:
    ReciprocalSum(double sigma, double kMax);
    void setBox(const OpenMM::Vec3 box[3]) override;
    bool containsOwnAtoms() const override {
        return true;
    }
    void potentialAtAtoms(const std::vector<Multipole>& sources, std::vector<Derivatives>& result) override;
    void potentialOfCharges(std::vector<Derivatives>& result) override;
    void gradientAtCharges(const std::vector<Multipole>& sources, std::vector<OpenMM::Vec3>& result) override;
    void potentialAtPoints(const std::vector<OpenMM::Vec3>& points, const std::vector<Multipole>& sources, std::vector<double>& result) override;

private:
    void structureFactors(const std::vector<OpenMM::Vec3>& places, const std::vector<Multipole>& sources);
    void potentialFromStructureFactors(std::vector<Derivatives>& result) const;
    const double sigma, kMax;
    /** Half of the reciprocal lattice, without 0: the other half gives the complex conjugate. */
    std::vector<OpenMM::Vec3> k;
    std::vector<double> weight;            // 2 g(k) / V
    std::vector<double> real, imaginary;   // S(k)
};

} // namespace PolarMPPlugin
