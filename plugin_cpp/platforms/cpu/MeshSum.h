#pragma once
#include "../reference/PotentialSolver.h"
#include "MeshLoops.h"
#include "MeshSpectrum.h"
#include "ThreadTeam.h"
#include "openmm_polarmp/PolarMPForce.h"
#include "openmm_polarmp/internal/MeshChoice.h"
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
    MeshSum(const PolarMPForce& force, const MeshRule& rule, ThreadTeam& threads);
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
    /** A cache line: what the spectrum is made of. */
    struct alignas(CACHE_LINE) Line {
        Real lane[CACHE_LINE / sizeof(Real)];
    };
    void allocateMesh();
    void place(const std::vector<OpenMM::Vec3>& points, Stencils& stencils);
    void sortByPlane();
    // What each thread does, in this order; between them all wait for each other.
    void readSources(const std::vector<Multipole>& sources, int thread);
    void spreadAndTransform(int thread);
    void convolve(int thread);
    void transformBack(int thread);
    void sumPotential(const std::vector<Multipole>& sources, int thread);
    void transformDerivatives(const Real* grid, Derivatives& result) const;

    const double sigma, kMax;
    const MeshRule rule;
    const Window window;
    ThreadTeam& threads;
    const MeshLoops<Real>& loops;
    const MeshFourier<Real>& fourier;
    bool sizeIsFixed = false;
    int size[3] = {0, 0, 0};
    OpenMM::Vec3 box[3];
    /** toGrid[d][a] = d(grid coordinate d)/d(Cartesian a) */
    double toGrid[3][3];
    std::vector<Real> coefficients;  // of the window, [degree+1][filled width]
    MeshShape shape;
    std::vector<Real> mesh;
    std::vector<Line> re, im, influence;  // [nx][plane], see MeshSpectrum
    std::vector<FourierPlan<Real>> plans;
    MeshSpectrum<Real> spectrum;
    Stencils atoms;
    std::vector<Real> gridSources;         // 10 numbers per atom
    std::vector<int> byPlane, planeStart;  // atoms in the order of their first plane; where each plane's begin
};

} // namespace PolarMPPlugin
