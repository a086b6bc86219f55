#include "PairPotential.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/PairSeries.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;

PairPotential::PairPotential(double sigma) : a(1 / (sqrt(2.0) * sigma)) {
}

void PairPotential::radial(double r2, double B[6]) const {
    double x2 = a * a * r2;
    double scale = COULOMB * 2 * a / sqrt(M_PI);
    if (x2 < PAIR_SERIES_LIMIT) {
        // The series of B_5, then downwards with
        // (2n+1) B_n = r^2 B_{n+1} + (2a^2)^{n+1} exp(-x^2) / (a sqrt(pi)), where all terms are positive.
        // B_n = scale (2a^2)^n sum_k (-x^2)^k / (k! (2n+2k+1)) = scale (2a^2)^n exp(-x^2) sum_k (2x^2)^k / ((2n+1)...(2n+2k+1))
        double gaussian = exp(-x2);
        double term = 1.0 / 11, sum = 0;
        for (int k = 1; term > 1e-18; k++) {
            sum += term;
            term *= 2 * x2 / (2 * k + 11);
        }
        double power = scale * gaussian;
        for (int n = 0; n < 5; n++)
            power *= 2 * a * a;
        B[5] = power * sum;
        for (int n = 4; n >= 0; n--) {
            power /= 2 * a * a;
            B[n] = (r2 * B[n + 1] + power) / (2 * n + 1);
        }
        return;
    }
    double r = sqrt(r2);
    double power = scale * exp(-x2);
    B[0] = COULOMB * erf(a * r) / r;
    for (int n = 0; n < 5; n++) {
        B[n + 1] = ((2 * n + 1) * B[n] - power) / r2;
        power *= 2 * a * a;
    }
}

double PairPotential::value(const Vec3& r, const Multipole& source) const {
    double B[6];
    radial(r.dot(r), B);
    double rQr = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            rQr += r[i] * source.quadrupole[PAIR[i][j]] * r[j];
    return source.charge * B[0] + source.dipole.dot(r) * B[1] + 0.5 * rQr * B[2];
}

Vec3 PairPotential::gradient(const Vec3& r, const Multipole& source) const {
    double B[6];
    radial(r.dot(r), B);
    Vec3 Qr;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            Qr[i] += source.quadrupole[PAIR[i][j]] * r[j];
    double C1 = source.charge * B[1] + source.dipole.dot(r) * B[2] + 0.5 * r.dot(Qr) * B[3];
    return source.dipole * B[1] + Qr * B[2] - r * C1;
}

void PairPotential::addDerivatives(const Vec3& r, const Multipole& source, Derivatives& result) const {
    double B[6];
    radial(r.dot(r), B);
    const double* Q = source.quadrupole;
    Vec3 Qr;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            Qr[i] += Q[PAIR[i][j]] * r[j];
    double muR = source.dipole.dot(r), rQr = r.dot(Qr);
    // The potential is C_0, with grad C_n = -r C_{n+1} + v^(n+1) and v^(n) = mu B_n + Qr B_{n+1}.
    double C[4];
    Vec3 v[4];
    for (int n = 0; n < 4; n++) {
        C[n] = source.charge * B[n] + muR * B[n + 1] + 0.5 * rQr * B[n + 2 < 6 ? n + 2 : 5];
        v[n] = source.dipole * B[n] + Qr * B[n + 1];
    }
    result.value += C[0];
    for (int i = 0; i < 3; i++) {
        result.gradient[i] += -r[i] * C[1] + v[1][i];
        for (int j = i; j < 3; j++) {
            result.second[PAIR[i][j]] += -(i == j) * C[1] + r[i] * r[j] * C[2] - r[i] * v[2][j] - r[j] * v[2][i] + Q[PAIR[i][j]] * B[2];
            for (int k = j; k < 3; k++)
                result.third[TRIPLE[i][j][k]] += (i == j) * (r[k] * C[2] - v[2][k]) + (i == k) * (r[j] * C[2] - v[2][j])
                                                 + (j == k) * (r[i] * C[2] - v[2][i]) - r[i] * r[j] * r[k] * C[3] + r[i] * r[j] * v[3][k]
                                                 + r[i] * r[k] * v[3][j] + r[j] * r[k] * v[3][i]
                                                 - (r[i] * Q[PAIR[j][k]] + r[j] * Q[PAIR[i][k]] + r[k] * Q[PAIR[i][j]]) * B[3];
        }
    }
}
