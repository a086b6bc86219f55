#include "MovingCharges.h"
#include "Matrix3.h"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

using namespace PolarMPPlugin;
using namespace std;

namespace {

/** mean_j (s_j - s_i) for each i. */
vector<double> meanDifferences(const vector<double>& s) {
    const double mean = accumulate(s.begin(), s.end(), 0.0) / s.size();
    vector<double> result(s.size());
    for (size_t i = 0; i < s.size(); i++)
        result[i] = mean - s[i];
    return result;
}

/** The same with differences wrapped into [-1/2, 1/2), for s in [0, 1): by sorting, not pair by pair. */
vector<double> meanWrappedDifferences(const vector<double>& s) {
    vector<double> sorted = s, result = meanDifferences(s);
    sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < s.size(); i++) {
        long above = sorted.end() - lower_bound(sorted.begin(), sorted.end(), s[i] + 0.5);            // where s_j - s_i >= 1/2 loses 1
        long below = lower_bound(sorted.begin(), sorted.end(), s[i] - 0.5) - sorted.begin();  // where s_j - s_i < -1/2 gains 1
        result[i] += double(below - above) / s.size();
    }
    return result;
}

} // namespace

void PolarMPPlugin::addProjectionTransfer(int n, const double* positions, const double* cell, const double* gradient, double* transfer) {
    const double unit[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    const double* rows = (cell == nullptr ? unit : cell);
    double inverse[9];
    invert(rows, inverse);
    for (int d = 0; d < 3; d++) {
        vector<double> s(n);
        for (int i = 0; i < n; i++) {
            double coordinates[3];
            times(positions + 3 * i, inverse, coordinates);
            s[i] = coordinates[d] - (cell == nullptr ? 0 : floor(coordinates[d]));
        }
        const vector<double> mean = (cell == nullptr ? meanDifferences(s) : meanWrappedDifferences(s));
        for (int i = 0; i < n; i++)
            for (int a = 0; a < 3; a++)
                for (int b = 0; b < 3; b++)
                    transfer[9 * i + 3 * a + b] -= rows[3 * d + a] * mean[i] * gradient[3 * i + b];
    }
}
