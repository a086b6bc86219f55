#pragma once
#include "openmm/Vec3.h"
#include "openmm_polarmp/PolarMPForce.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <cmath>

namespace PolarMPPlugin {

/** What a box of multipoles is to the surface term of theory.md section 10; z and r unwrapped. */
struct SurfaceSums {
    double charge = 0, spread = 0;  // Q_tot, S_zz
    OpenMM::Vec3 dipole;            // M
};

/** The potential that conducting surroundings lack, in a box of given size: a polynomial of second order. */
class Surface {
public:
    explicit Surface(PolarMPForce::Boundary boundary, double sigma) : boundary(boundary), sigma(sigma) {
    }
    void setBox(const OpenMM::Vec3 box[3]) {
        volume = std::fabs(box[0].dot(box[1].cross(box[2])));
        height = box[2][2];
    }
    /** Phi(r) = value + linear.r + 1/2 curvature z^2; V, V/A, V/A^2. */
    struct Polynomial {
        double value = 0, curvature = 0;
        OpenMM::Vec3 linear;
    };
    Polynomial potential(const SurfaceSums& sums) const {
        Polynomial p;
        if (boundary == PolarMPForce::SlabZ) {
            const double factor = 2 * M_PI * COULOMB / volume;
            p.value = -factor * (sums.spread + sums.charge * (height * height / 6 + sigma * sigma));
            p.linear = OpenMM::Vec3(0, 0, 2 * factor * sums.dipole[2]);
            p.curvature = -2 * factor * sums.charge;
        }
        if (boundary == PolarMPForce::Vacuum)
            p.linear = sums.dipole * (4 * M_PI * COULOMB / (3 * volume));
        return p;
    }

private:
    const PolarMPForce::Boundary boundary;
    const double sigma;
    double volume = 1, height = 0;
};

/** Throws an OpenMMException for a charged box in vacuum, whose dipole and with it its energy is not defined. */
void checkNeutralBox(double charge);

} // namespace PolarMPPlugin
