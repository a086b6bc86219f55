#pragma once
#include "PotentialSolver.h"
#include "openmm_polarmp/internal/Surface.h"
#include <memory>

namespace PolarMPPlugin {

/** The potentials of a solver with conducting surroundings, and what other surroundings add to them (theory.md section 10). */
class SurfaceSolver : public PotentialSolver {
public:
    SurfaceSolver(std::unique_ptr<PotentialSolver> solver, PolarMPForce::Boundary boundary, double sigma);
    void setBox(const OpenMM::Vec3 box[3]) override;
    bool containsOwnAtoms() const override {
        return solver->containsOwnAtoms();
    }
    void setPositions(const std::vector<OpenMM::Vec3>& newPositions) override;
    void potentialAtAtoms(const std::vector<Multipole>& sources, std::vector<Derivatives>& result) override;
    void setCharges(const std::vector<OpenMM::Vec3>& newPlaces, const std::vector<double>& newCharges) override;
    void potentialOfCharges(std::vector<Derivatives>& result) override;
    void gradientAtCharges(const std::vector<Multipole>& sources, std::vector<OpenMM::Vec3>& result) override;
    void potentialAtPoints(const std::vector<OpenMM::Vec3>& points, const std::vector<Multipole>& sources, std::vector<double>& result) override;
    void getMeshSize(int size[3]) const override {
        solver->getMeshSize(size);
    }

private:
    Surface::Polynomial potentialOf(const std::vector<Multipole>& sources) const;
    void addAtAtoms(const Surface::Polynomial& polynomial, std::vector<Derivatives>& result) const;
    const std::unique_ptr<PotentialSolver> solver;
    Surface surface;
};

} // namespace PolarMPPlugin
