#pragma once
#include "MeshLoops.h"
#include "MeshSpectrum.h"
#include "PotentialSolver.h"
#include "ThreadTeam.h"
#include "openmm_polarmp/PolarMPForce.h"
#include "openmm_polarmp/internal/LargeArray.h"
#include "openmm_polarmp/internal/MeshChoice.h"

namespace PolarMPPlugin {

/**
 * The reciprocal sum on a mesh (theory.md section 5), with threads. Atoms are sorted by their position on the mesh; each
 * thread spreads into its own planes only, so that no two threads write to the same mesh point.
 */
template <class Real>
class MeshSum : public PotentialSolver {
public:
    MeshSum(const PolarMPForce& force, const MeshRule& rule, ThreadTeam& threads);
    void setBox(const OpenMM::Vec3 box[3]) override;
    void setPositions(const std::vector<OpenMM::Vec3>& positions) override;
    void setCharges(const std::vector<OpenMM::Vec3>& places, const std::vector<double>& charges) override;
    bool containsOwnAtoms() const override {
        return true;
    }
    void potentialAtAtoms(const std::vector<Multipole>& sources, std::vector<Derivatives>& result) override;
    void potentialOfCharges(std::vector<Derivatives>& result) override;
    /** Reads the mesh as the last call of potentialAtAtoms() has left it. */
    void gradientAtCharges(const std::vector<Multipole>& sources, std::vector<OpenMM::Vec3>& result) override;
    void potentialAtPoints(const std::vector<OpenMM::Vec3>& points, const std::vector<Multipole>& sources, std::vector<double>& result) override;
    void getMeshSize(int size[3]) const override;

private:
    /**
     * The windows of points: the first mesh point along each axis, and the weights (see MeshLoops). They are sorted by the
     * first row of the mesh that they touch, so that neighbours in memory are neighbours on the mesh.
     */
    struct Stencils {
        int orders = 4;               // of derivatives that the weights have
        std::vector<int> order;       // the point of each stencil
        std::vector<int> start;       // [stencil][axis]
        LargeArray<Real> weights;     // [stencil][axis][order of derivative][window point]
        std::vector<int> planeStart;  // the first stencil of each plane
    };
    void allocateMesh();
    void place(const std::vector<OpenMM::Vec3>& points, Stencils& stencils);
    void sortByRow(Stencils& stencils);
    // The work of each thread, in this order; all threads wait for each other in between.
    void readSources(const std::vector<Multipole>& sources, int thread);
    /** @param spreadStencil  called with a stencil and the range of planes that it may add to */
    template <class Spread>
    void spreadAndTransform(const Stencils& stencils, int thread, Spread spreadStencil);
    void convolveAndTransformBack(int thread);
    void convolve(int thread);
    void transformBack(int thread);
    void sumPotential(const std::vector<Multipole>& sources, int thread);
    void gatherAtAtoms(std::vector<Derivatives>& result, int thread) const;
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
    std::vector<Real> coefficients;  // of the window, [degree+1][padded width]
    LargeArray<Real> mesh, re, im, influence;  // see MeshSpectrum
    std::vector<FourierPlan<Real>> plans;
    MeshSpectrum<Real> spectrum;
    Stencils atoms, pointCharges;
    const Real* weightsOf(const Stencils& stencils, long stencil) const {
        return &stencils.weights[3 * stencils.orders * paddedWidth(rule.width) * stencil];
    }
    LargeArray<Real> gridSources;  // 10 numbers for each stencil
    // work space of place(), in the order of the points
    std::vector<int> first, next;
    std::vector<Real> offset;
};

} // namespace PolarMPPlugin
