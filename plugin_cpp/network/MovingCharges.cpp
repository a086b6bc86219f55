#include "MovingCharges.h"
#include "Matrix3.h"
#include "openmm_polarmp/internal/Warning.h"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

using namespace PolarMPPlugin;
using namespace std;

namespace {

/** The nearest image's fractional coordinate, in [-1/2, 1/2). */
double wrap(double s) {
    return s - floor(s + 0.5);
}

/** The number of slabs with which no atom within reach of a slab's atoms is wrapped; 0 if no number suffices. */
int countSlabs(double height, double reach) {
    if (2 * reach >= height)
        return 0;
    // An atom lies up to 1/(2n) from the centre of its slab and its partner reach/height further: together less than 1/2.
    return max(1, (int) ceil(1 / (1 - 2 * reach / height) - 1e-9));
}

} // namespace

MovingCharges::MovingCharges(int numAtoms, double reach, bool projected) : n(numAtoms), reach(reach), projected(projected) {
}

void MovingCharges::addForces(const double* positions, const double* cell, const double* field, const Product& product, double* forces) {
    double inverse[9];
    invert(cell, inverse);
    fractional.resize(3 * n);
    for (int i = 0; i < n; i++) {
        double s[3];
        times(positions + 3 * i, inverse, s);
        for (int d = 0; d < 3; d++)
            fractional[d * n + i] = s[d] - floor(s[d]);
    }
    int numSlabs[3] = {0, 0, 0};
    bool tooThin = false;
    for (int d = 0; d < 3; d++) {
        strengths[d] = cell[3 * d] * field[0] + cell[3 * d + 1] * field[1] + cell[3 * d + 2] * field[2];
        if (strengths[d] == 0)
            continue;
        numSlabs[d] = countSlabs(height(inverse, d), reach);
        tooThin |= (numSlabs[d] == 0);
    }
    centerOffset.assign(n, 0.0);
    force.assign(3 * n, 0.0);
    if (tooThin || numSlabs[0] + numSlabs[1] + numSlabs[2] >= n) {
        if (tooThin && !warned) {
            stringstream message;
            message << "external field: the box is thinner than twice the reach of the network's charges (" << reach
                    << " A): each step needs one backward pass for every atom";
            warn(message.str());
            warned = true;
        }
        atomByAtom(product);
    }
    else
        bySlabs(product, numSlabs);
    if (projected)
        addMean();
    vector<double> ones(n, 1.0), ofAll(3 * n);
    product(ones.data(), ofAll.data());
    for (int i = 0; i < 3 * n; i++)
        forces[i] += force[i] - centerOffset[i / 3] * ofAll[i];
}

void MovingCharges::bySlabs(const Product& product, const int* numSlabs) {
    vector<double> offset(n), result(3 * n);
    for (int d = 0; d < 3; d++)
        for (int slab = 0; slab < numSlabs[d]; slab++) {
            const double* s = &fractional[d * n];
            for (int i = 0; i < n; i++)
                offset[i] = strengths[d] * wrap(s[i] - (slab + 0.5) / numSlabs[d]);
            product(offset.data(), result.data());
            for (int i = 0; i < n; i++)
                if (min(numSlabs[d] - 1, (int) (s[i] * numSlabs[d])) == slab) {
                    centerOffset[i] += offset[i];
                    for (int a = 0; a < 3; a++)
                        force[3 * i + a] += result[3 * i + a];
                }
        }
}

void MovingCharges::atomByAtom(const Product& product) {
    vector<double> offset(n), result(3 * n);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            offset[j] = 0;
            for (int d = 0; d < 3; d++)
                offset[j] += strengths[d] * wrap(fractional[d * n + j] - fractional[d * n + i]);
        }
        product(offset.data(), result.data());
        copy(&result[3 * i], &result[3 * i] + 3, &force[3 * i]);
    }
}

/** The projection adds -1/N sum_k dq_k/dr_i to each dq_j/dr_i, which is multiplied by mean_j wrap(s_j - s_i): computed by sorting. */
void MovingCharges::addMean() {
    for (int d = 0; d < 3; d++) {
        if (strengths[d] == 0)
            continue;
        const double* s = &fractional[d * n];
        vector<double> sorted(s, s + n);
        sort(sorted.begin(), sorted.end());
        const double mean = accumulate(sorted.begin(), sorted.end(), 0.0) / n;
        for (int i = 0; i < n; i++) {
            long above = sorted.end() - lower_bound(sorted.begin(), sorted.end(), s[i] + 0.5);  // where s_j - s_i >= 1/2, wrap() subtracts 1
            long below = lower_bound(sorted.begin(), sorted.end(), s[i] - 0.5) - sorted.begin();  // where s_j - s_i < -1/2, it adds 1
            centerOffset[i] += strengths[d] * (mean - s[i] + double(below - above) / n);
        }
    }
}
