#pragma once
#include "ForAtoms.h"
#include "PairPotential.h"
#include <vector>

namespace PolarMPPlugin {

/**
 * What charges that are points have beyond smeared ones in a periodic box (theory.md section 11): the sum over images of
 * k_e [erf(r/sigma) - erf(r/(sqrt(2) sigma))] / r, less its mean over the box, because both kernels lack the term k = 0.
 */
class PointChargeCorrection {
public:
    /** @param sigma  in A */
    PointChargeCorrection(double sigma, ForAtoms forAtoms);
    /** @param box  in A */
    void setBox(const OpenMM::Vec3 box[3]);
    /** Adds to the charges' potential at the atoms. */
    void addAtAtoms(const std::vector<OpenMM::Vec3>& atoms, const std::vector<OpenMM::Vec3>& places, const std::vector<double>& charges,
                    std::vector<Derivatives>& potential) const;
    /** Adds to the gradients of the sources' potential at the charges. */
    void addAtCharges(const std::vector<OpenMM::Vec3>& atoms, const std::vector<Multipole>& sources, const std::vector<OpenMM::Vec3>& places,
                      std::vector<OpenMM::Vec3>& gradients) const;

private:
    /** Calls work(r) for the images of a displacement within the range of the difference. */
    template <class Work>
    void forImages(const OpenMM::Vec3& displacement, Work work) const;
    const double sigma, range;
    const PairPotential point, smeared;
    const ForAtoms forAtoms;
    OpenMM::Vec3 box[3], reciprocal[3];
    double reach[3];  // the range in units of the box's heights
    double volume = 0;
};

} // namespace PolarMPPlugin
