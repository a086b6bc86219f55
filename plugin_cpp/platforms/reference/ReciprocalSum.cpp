#include "ReciprocalSum.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

ReciprocalSum::ReciprocalSum(double sigma, double kMax) : sigma(sigma), kMax(kMax > 0 ? kMax : 9 / sigma) {
}

void ReciprocalSum::setBox(const Vec3 box[3]) {
    double volume = box[0].dot(box[1].cross(box[2]));
    Vec3 reciprocal[3];
    int limit[3];
    for (int i = 0; i < 3; i++) {
        reciprocal[i] = box[(i + 1) % 3].cross(box[(i + 2) % 3]) * (2 * M_PI / volume);
        limit[i] = (int) floor(kMax * sqrt(box[i].dot(box[i])) / (2 * M_PI));
    }
    k.clear();
    weight.clear();
    for (int l = 0; l <= limit[0]; l++)
        for (int m = (l == 0 ? 0 : -limit[1]); m <= limit[1]; m++)
            for (int n = (l == 0 && m == 0 ? 1 : -limit[2]); n <= limit[2]; n++) {
                Vec3 vector = reciprocal[0] * l + reciprocal[1] * m + reciprocal[2] * n;
                double k2 = vector.dot(vector);
                if (k2 > kMax * kMax)
                    continue;
                k.push_back(vector);
                weight.push_back(2 * 4 * M_PI * COULOMB * exp(-0.5 * sigma * sigma * k2) / (k2 * fabs(volume)));
            }
}

void ReciprocalSum::structureFactors(const vector<Vec3>& places, const vector<Multipole>& sources) {
    real.assign(k.size(), 0.0);
    imaginary.assign(k.size(), 0.0);
    for (size_t n = 0; n < k.size(); n++)
        for (size_t i = 0; i < places.size(); i++) {
            const Multipole& m = sources[i];
            double kQk = 0;
            for (int a = 0; a < 3; a++)
                for (int b = 0; b < 3; b++)
                    kQk += k[n][a] * m.quadrupole[PAIR[a][b]] * k[n][b];
            double even = m.charge - 0.5 * kQk, odd = k[n].dot(m.dipole);
            double phase = k[n].dot(places[i]);
            double c = cos(phase), s = sin(phase);
            real[n] += even * c - odd * s;
            imaginary[n] += even * s + odd * c;
        }
}

void ReciprocalSum::potentialAtAtoms(const vector<Multipole>& sources, vector<Derivatives>& result) {
    structureFactors(*positions, sources);
    potentialFromStructureFactors(result);
}

void ReciprocalSum::potentialOfCharges(vector<Derivatives>& result) {
    vector<Multipole> sources(charges->size());
    for (size_t m = 0; m < sources.size(); m++)
        sources[m].charge = (*charges)[m];
    structureFactors(*places, sources);
    potentialFromStructureFactors(result);
}

void ReciprocalSum::gradientAtCharges(const vector<Multipole>& sources, vector<Vec3>& result) {
    structureFactors(*positions, sources);
    result.assign(places->size(), Vec3());
    for (size_t m = 0; m < places->size(); m++)
        for (size_t n = 0; n < k.size(); n++) {
            double phase = k[n].dot((*places)[m]);
            result[m] -= k[n] * (weight[n] * (real[n] * sin(phase) - imaginary[n] * cos(phase)));
        }
}

void ReciprocalSum::potentialFromStructureFactors(vector<Derivatives>& result) const {
    result.assign(positions->size(), Derivatives());
    for (size_t i = 0; i < positions->size(); i++) {
        Derivatives& phi = result[i];
        for (size_t n = 0; n < k.size(); n++) {
            // weight * conj(S) * exp(i k r) = even + i odd; every derivative multiplies by i k.
            double phase = k[n].dot((*positions)[i]);
            double c = cos(phase), s = sin(phase);
            double even = weight[n] * (real[n] * c + imaginary[n] * s);
            double odd = weight[n] * (real[n] * s - imaginary[n] * c);
            phi.value += even;
            for (int a = 0; a < 3; a++) {
                phi.gradient[a] -= k[n][a] * odd;
                for (int b = a; b < 3; b++) {
                    phi.second[PAIR[a][b]] -= k[n][a] * k[n][b] * even;
                    for (int d = b; d < 3; d++)
                        phi.third[TRIPLE[a][b][d]] += k[n][a] * k[n][b] * k[n][d] * odd;
                }
            }
        }
    }
}

void ReciprocalSum::potentialAtPoints(const vector<Vec3>& points, const vector<Multipole>& sources, vector<double>& result) {
    structureFactors(*positions, sources);
    result.assign(points.size(), 0.0);
    for (size_t i = 0; i < points.size(); i++)
        for (size_t n = 0; n < k.size(); n++) {
            double phase = k[n].dot(points[i]);
            result[i] += weight[n] * (real[n] * cos(phase) + imaginary[n] * sin(phase));
        }
}
