#pragma once
#include "../reference/PotentialSolver.h"
#include "MeshLoops.h"
#include "openmm/internal/ThreadPool.h"
#include "openmm_polarmp/PolarMPForce.h"
#include "openmm_polarmp/internal/MeshChoice.h"
#include "openmm_polarmp/internal/MeshTransform.h"
#include <complex>
#include <functional>
#include <memory>

namespace PolarMPPlugin {

/**
 * The reciprocal sum on a mesh (theory.md section 5), with threads. Atoms are sorted by their first mesh plane; each
 * thread spreads into its own planes only, so that no two threads write to the same place.
 */
template <class Real>
class MeshSum : public PotentialSolver {
public:
    MeshSum(const PolarMPForce& force, const MeshRule& rule, OpenMM::ThreadPool& threads);
    void setBox(const OpenMM::Vec3 box[3]) override;
    void setPositions(const std::vector<OpenMM::Vec3>& positions) override;
    bool containsOwnAtoms() const override {
        return true;
    }
    void potentialAtAtoms(const std::vector<Multipole>& sources, std::vector<Derivatives>& result) override;
    void potentialAtPoints(const std::vector<OpenMM::Vec3>& points, const std::vector<Multipole>& sources, std::vector<double>& result) override;
    void getMeshSize(int size[3]) const override;

private:
    /** Places on the mesh: first window point along each axis, and the window's weights (see MeshLoops). */
    struct Stencils {
        std::vector<int> start;
        std::vector<Real> weights;
    };
    void inParallel(long count, const std::function<void(long, long)>& work);
    void allocateMesh();
    void place(const std::vector<OpenMM::Vec3>& points, Stencils& stencils);
    void sortByPlane();
    void sumPotential(const std::vector<Multipole>& sources);
    void transformDerivatives(const Real* grid, Derivatives& result) const;

    const double sigma, kMax;
    const MeshRule rule;
    const Window window;
    OpenMM::ThreadPool& threads;
    const MeshLoops<Real>& loops;
    bool sizeIsFixed = false;
    int size[3] = {0, 0, 0};
    OpenMM::Vec3 box[3];
    /** toGrid[d][a] = d(grid coordinate d)/d(Cartesian a) */
    double toGrid[3][3];
    std::vector<Real> coefficients;  // of the window, [degree+1][width]
    std::vector<Real> mesh, influence;
    std::vector<std::complex<Real>> spectrum;
    std::unique_ptr<MeshTransform> transform;
    Stencils atoms;
    std::vector<Real> gridSources;         // 10 numbers per atom
    std::vector<int> byPlane, planeStart;  // atoms in the order of their first plane; where each plane's begin
};

} // namespace PolarMPPlugin
