#pragma once
#include "../NetworkLoops.h"
#include "Lanes.h"
#include "Rows.h"

namespace PolarMPPlugin {
namespace POLARMP_ARCH {

constexpr double SAME_PLACE = 1e-30;  // A^2

/** Displacements from receivers to senders, one in each lane. They are subtracted in double precision. */
template <class Real>
struct Displacements {
    V<Real> x, y, z, square;

    /**
     * @param receivers  positions of the receivers in the lanes, 4 numbers each
     * @param sites      of the senders
     */
    void load(const double* positions, const double* receivers, const int* sites) {
        Four<Real> rows[LANES<Real>];
#pragma GCC unroll 16
        for (int k = 0; k < LANES<Real>; k++)
            rows[k] = __builtin_convertvector(*(const Four<double>*) (positions + 4 * (long) sites[k]) - *(const Four<double>*) (receivers + 4 * k),
                                              Four<Real>);
        columns<Real>(rows, x, y, z);
        square = x * x + y * y + z * z;
    }
};

/** Decreases smoothly from 1 to 0 for 0 <= x <= 1; in this form no digits are lost near 1. */
template <class T, class Real>
inline T smoothCutoff(T x, Real) {
    const T rest = Real(1) - x;
    return rest * rest * rest * (((((Real(21) * x + Real(15)) * x + Real(10)) * x + Real(6)) * x + Real(3)) * x + Real(1));
}
template <class T, class Real>
inline T smoothCutoffSlope(T x, Real) {
    const T rest = Real(1) - x, square = x * x;
    return Real(-168) * square * square * x * rest * rest;
}

/** Distance, direction and the common factor of the radial functions, which is zero beyond the cutoff. */
template <class Real>
struct PairFunctions {
    V<Real> inverse, direction[3], sine, cosine, envelope, x;

    __attribute__((always_inline)) PairFunctions(const NetworkPlan<Real>& plan, const Displacements<Real>& r) {
        const V<Real> distance = squareRoot<Real>(r.square);
        inverse = Real(1) / distance;
        direction[0] = r.x * inverse;
        direction[1] = r.y * inverse;
        direction[2] = r.z * inverse;
        x = smaller(distance * (1 / plan.cutoff), all<Real>(1));
        sineAndCosine<Real>(x, sine, cosine);
        envelope = plan.radialScale * smoothCutoff(x, Real()) * inverse;
    }

    V<Real> envelopeSlope(const NetworkPlan<Real>& plan) const {
        return (plan.radialScale / plan.cutoff * smoothCutoffSlope(x, Real()) - envelope) * inverse;
    }

    /**
     * Radial functions, sines times envelope, and sines and cosines of n pi d / cutoff for n = 1 ... count, by adding angles.
     * B may be the same array as `sines`.
     */
    void radial(int count, V<Real>* sines, V<Real>* cosines, V<Real>* B) const {
        sines[0] = sine;
        cosines[0] = cosine;
#pragma GCC unroll 8
        for (int n = 2; n <= count; n++) {
            const int a = n / 2 - 1, b = n - n / 2 - 1;
            sines[n - 1] = sines[a] * cosines[b] + cosines[a] * sines[b];
            cosines[n - 1] = cosines[a] * cosines[b] - sines[a] * sines[b];
        }
#pragma GCC unroll 8
        for (int n = 0; n < count; n++)
            B[n] = sines[n] * envelope;
    }

    /** Harmonics in e3nn's basis, see models/couplings.py. */
    void harmonics(int count, V<Real>* Y) const {
        const V<Real>* u = direction;
        Y[0] = all<Real>(1);
        for (int a = 0; a < 3; a++)
            Y[1 + a] = Real(SQRT3) * u[a];
        if (count > 4) {
            Y[4] = Real(SQRT15) * u[0] * u[2];
            Y[5] = Real(SQRT15) * u[0] * u[1];
            Y[6] = Real(SQRT5 / 2) * (Real(2) * u[1] * u[1] - u[0] * u[0] - u[2] * u[2]);
            Y[7] = Real(SQRT15) * u[1] * u[2];
            Y[8] = Real(SQRT15 / 2) * (u[2] * u[2] - u[0] * u[0]);
        }
    }

    /**
     * Gradient by the displacement, from those by the harmonics and by the radial functions, which are sines times envelope.
     *
     * @param more  derivative of other energies by the distance
     */
    void gradient(const NetworkPlan<Real>& plan, int numHarmonics, int numRadial, const V<Real>* sines, const V<Real>* cosines, const V<Real>* byY,
                  const V<Real>* byB, V<Real> more, V<Real>* result) const {
        const V<Real>* u = direction;
        V<Real> bySines = V<Real>{}, byCosines = V<Real>{};
#pragma GCC unroll 8
        for (int n = 0; n < numRadial; n++) {
            bySines += byB[n] * sines[n];
            byCosines += Real(n + 1) * byB[n] * cosines[n];
        }
        const V<Real> byDistance = more + bySines * envelopeSlope(plan) + byCosines * (Real(PI) / plan.cutoff) * envelope;
        V<Real> byDirection[3];
        for (int a = 0; a < 3; a++)
            byDirection[a] = Real(SQRT3) * byY[1 + a];
        if (numHarmonics > 4) {
            byDirection[0] += Real(SQRT15) * (byY[4] * u[2] + byY[5] * u[1] - byY[8] * u[0]) - Real(SQRT5) * byY[6] * u[0];
            byDirection[1] += Real(SQRT15) * (byY[5] * u[0] + byY[7] * u[2]) + Real(2 * SQRT5) * byY[6] * u[1];
            byDirection[2] += Real(SQRT15) * (byY[4] * u[0] + byY[7] * u[1] + byY[8] * u[2]) - Real(SQRT5) * byY[6] * u[2];
        }
        const V<Real> along = byDirection[0] * u[0] + byDirection[1] * u[1] + byDirection[2] * u[2];
        for (int a = 0; a < 3; a++)
            result[a] = byDistance * u[a] + (byDirection[a] - along * u[a]) * inverse;
    }

    static constexpr double PI = 3.14159265358979323846, SQRT3 = 1.73205080756887729353, SQRT5 = 2.23606797749978969641,
                            SQRT15 = 3.87298334620741688518;
};

/** Nuclear repulsion of Ziegler, Biersack and Littmark (models/zbl.py) between atoms in the lanes and neighbours of one kind. */
template <class Real>
struct Repulsion {
    V<Real> charges = {}, screening = {}, reach = {};  // screening: inverse length

    void prepare(const NetworkPlan<Real>& plan, const int* kinds, int kind) {
        for (int k = 0; k < LANES<Real>; k++) {
            charges[k] = Real(0.5 * COULOMB) * plan.repulsionNumber[kinds[k]] * plan.repulsionNumber[kind];
            screening[k] = (plan.repulsionPower[kinds[k]] + plan.repulsionPower[kind]) * Real(1 / (0.88534 * BOHR));
            reach[k] = plan.repulsionRadius[kinds[k]] + plan.repulsionRadius[kind];
        }
    }

    bool actsOn(const Displacements<Real>& r) const {
        return anyLess<Real>(r.square, reach * reach);
    }

    /** The receivers' half of the energy and its derivative by the distance. */
    void evaluate(const Displacements<Real>& r, V<Real>& energy, V<Real>& slope) const {
        const Real exponents[] = {3.1998, 0.94229, 0.4029, 0.20162}, coefficients[] = {0.18175, 0.50986, 0.28022, 0.02817};
        const V<Real> distance = squareRoot<Real>(r.square), inverse = Real(1) / distance, x = smaller(distance / reach, all<Real>(1));
        V<Real> phi = V<Real>{}, phiSlope = V<Real>{};
        for (int k = 0; k < 4; k++) {
            const V<Real> rate = exponents[k] * screening, term = coefficients[k] * exponential<Real>(-rate * distance);
            phi += term;
            phiSlope -= rate * term;
        }
        const V<Real> cut = smoothCutoff(x, Real()), cutSlope = smoothCutoffSlope(x, Real()) / reach;
        energy = charges * inverse * phi * cut;
        slope = charges * inverse * (phiSlope * cut + phi * cutSlope - phi * cut * inverse);
    }

    static constexpr double COULOMB = 14.3996454784255, BOHR = 0.529177210903;
};

} // namespace POLARMP_ARCH
} // namespace PolarMPPlugin
