#include "PointChargeCorrection.h"
#include "openmm_polarmp/PolarMPUnits.h"
#include "openmm_polarmp/internal/PointChargeRange.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace OpenMM;
using namespace std;

PointChargeCorrection::PointChargeCorrection(double sigma, ForAtoms forAtoms)
        : sigma(sigma), range(POINT_CHARGE_RANGE * sigma), point(sigma / sqrt(2.0)), smeared(sigma), forAtoms(forAtoms) {
}

void PointChargeCorrection::setBox(const Vec3 newBox[3]) {
    copy(newBox, newBox + 3, box);
    volume = fabs(box[0].dot(box[1].cross(box[2])));
    for (int d = 0; d < 3; d++) {
        reciprocal[d] = box[(d + 1) % 3].cross(box[(d + 2) % 3]) / box[0].dot(box[1].cross(box[2]));
        reach[d] = range * sqrt(reciprocal[d].dot(reciprocal[d]));
    }
}

template <class Work>
void PointChargeCorrection::forImages(const Vec3& displacement, Work work) const {
    // Along each direction only images within the range are visited; mostly there is none.
    int first[3], last[3];
    for (int d = 0; d < 3; d++) {
        double fraction = displacement.dot(reciprocal[d]);
        first[d] = (int) ceil(-reach[d] - fraction);
        last[d] = (int) floor(reach[d] - fraction);
        if (first[d] > last[d])
            return;
    }
    for (int i = first[0]; i <= last[0]; i++)
        for (int j = first[1]; j <= last[1]; j++)
            for (int k = first[2]; k <= last[2]; k++) {
                Vec3 r = displacement + box[0] * i + box[1] * j + box[2] * k;
                if (r.dot(r) < range * range)
                    work(r);
            }
}

void PointChargeCorrection::addAtAtoms(const vector<Vec3>& atoms, const vector<Vec3>& places, const vector<double>& charges,
                                       vector<Derivatives>& potential) const {
    double total = 0;
    for (double charge : charges)
        total += charge;
    const double mean = M_PI * COULOMB * sigma * sigma / volume * total;
    forAtoms(atoms.size(), [&](size_t begin, size_t end) {
        Multipole plus, minus;
        for (size_t i = begin; i < end; i++) {
            potential[i].value -= mean;
            for (size_t m = 0; m < places.size(); m++) {
                plus.charge = charges[m];
                minus.charge = -charges[m];
                forImages(atoms[i] - places[m], [&](const Vec3& r) {
                    point.addDerivatives(r, plus, potential[i]);
                    smeared.addDerivatives(r, minus, potential[i]);
                });
            }
        }
    });
}

void PointChargeCorrection::addAtCharges(const vector<Vec3>& atoms, const vector<Multipole>& sources, const vector<Vec3>& places,
                                         vector<Vec3>& gradients) const {
    forAtoms(places.size(), [&](size_t begin, size_t end) {
        for (size_t m = begin; m < end; m++)
            for (size_t i = 0; i < atoms.size(); i++)
                forImages(places[m] - atoms[i],
                          [&](const Vec3& r) { gradients[m] += point.gradient(r, sources[i]) - smeared.gradient(r, sources[i]); });
    });
}
