#pragma once
#include "openmm/Vec3.h"

namespace PolarMPPlugin {

/** Indices of a symmetric tensor's independent components: xx xy xz yy yz zz, and xxx xxy xxz xyy xyz xzz yyy yyz yzz zzz. */
constexpr int PAIR[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
constexpr int TRIPLE[3][3][3] = {{{0, 1, 2}, {1, 3, 4}, {2, 4, 5}}, {{1, 3, 4}, {3, 6, 7}, {4, 7, 8}}, {{2, 4, 5}, {4, 7, 8}, {5, 8, 9}}};

/** A symmetric tensor's independent components as a row of nine numbers. */
inline void writeMatrix(const double component[6], double* matrix) {
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            matrix[3 * a + b] = component[PAIR[a][b]];
}

/** M[f] = q f + mu . grad f + 1/2 Q : grad grad f (theory.md section 2). Units e, e A, e A^2. */
struct Multipole {
    double charge = 0;
    OpenMM::Vec3 dipole;
    double quadrupole[6] = {0, 0, 0, 0, 0, 0};  // symmetric, traceless
};

/** A potential and its derivatives at a point. Units V, V/A, V/A^2, V/A^3. */
struct Derivatives {
    double value = 0;
    OpenMM::Vec3 gradient;
    double second[6] = {0, 0, 0, 0, 0, 0};
    double third[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    Derivatives& operator+=(const Derivatives& other) {
        add(other, 1);
        return *this;
    }
    Derivatives& operator-=(const Derivatives& other) {
        add(other, -1);
        return *this;
    }

private:
    void add(const Derivatives& other, double factor) {
        value += factor * other.value;
        gradient += other.gradient * factor;
        for (int c = 0; c < 6; c++)
            second[c] += factor * other.second[c];
        for (int c = 0; c < 10; c++)
            third[c] += factor * other.third[c];
    }
};

/** M[Phi] */
inline double energyOf(const Multipole& m, const Derivatives& phi) {
    double sum = m.charge * phi.value + m.dipole.dot(phi.gradient);
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            sum += 0.5 * m.quadrupole[PAIR[a][b]] * phi.second[PAIR[a][b]];
    return sum;
}

/** M[grad Phi] */
inline OpenMM::Vec3 gradientOf(const Multipole& m, const Derivatives& phi) {
    OpenMM::Vec3 sum = phi.gradient * m.charge;
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) {
            sum[a] += m.dipole[b] * phi.second[PAIR[a][b]];
            for (int c = 0; c < 3; c++)
                sum[a] += 0.5 * m.quadrupole[PAIR[b][c]] * phi.third[TRIPLE[a][b][c]];
        }
    return sum;
}

} // namespace PolarMPPlugin
