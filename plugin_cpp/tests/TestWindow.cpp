#include "Check.h"
#include "openmm_polarmp/internal/MeshChoice.h"
#include "openmm_polarmp/internal/Window.h"

using namespace PolarMPPlugin;
using namespace std;

namespace {

/** The formula in Window.h, with the standard library's Bessel function; not normalised. */
double formula(double x, const MeshRule& rule) {
    if (fabs(x) >= 1)
        return 0;
    double z = sqrt(1 - x * x);
    return pow(z, rule.m) * cyl_bessel_i(rule.m, rule.beta * z);
}

/** Simpson's rule for the integral of W(u) cos(k u) du, u in grid spacings. */
double integral(const MeshRule& rule, double k) {
    const int n = 4000;
    double sum = 0;
    for (int i = 0; i <= n; i++) {
        double x = 2.0 * i / n - 1;
        sum += (i == 0 || i == n ? 1 : i % 2 == 1 ? 4 : 2) * formula(x, rule) * cos(0.5 * k * rule.width * x);
    }
    return sum / 3 * rule.width / n;
}

Window windowOf(const MeshRule& rule) {
    return Window(rule.width, rule.m, rule.beta, rule.degree);
}

double weight(const Window& window, int p, double f) {
    double sum = 0;
    for (int n = window.degree; n >= 0; n--)
        sum = sum * (f - 0.5) + window.getCoefficients()[p * (window.degree + 1) + n];
    return sum;
}

/** An atom at u touches the points j0 + p with j0 = floor(u - w/2) + 1: point p is f - 1 - p + w/2 away from it. */
void polynomialsFollowTheFormula() {
    for (const MeshRule& rule : getMeshRules()) {
        const Window window = windowOf(rule);
        const double norm = integral(rule, 0);
        for (int p = 0; p < rule.width; p++)
            for (double f = 0; f <= 1; f += 0.125) {
                double x = 2 * (f - 1 - p) / rule.width + 1;
                // A rule's polynomials must be better than the accuracy that it promises.
                CHECK_CLOSE(weight(window, p, f), formula(x, rule) / norm, 0.1 * rule.accuracy);
            }
    }
}

/** An atom that crosses a mesh point loses no weight: theta_p(1) = theta_(p+1)(0). */
void weightsAreContinuous() {
    for (const MeshRule& rule : getMeshRules()) {
        const Window window = windowOf(rule);
        for (int p = 0; p + 1 < rule.width; p++)
            CHECK_CLOSE(weight(window, p, 0), weight(window, p + 1, 1), 0.1 * rule.accuracy);
        CHECK_CLOSE(weight(window, 0, 1), 0, 0.1 * rule.accuracy);
        CHECK_CLOSE(weight(window, rule.width - 1, 0), 0, 0.1 * rule.accuracy);
    }
}

void transformFollowsFromQuadrature() {
    for (const MeshRule& rule : getMeshRules()) {
        const Window window = windowOf(rule);
        CHECK_CLOSE(window.transform(0), 1, 1e-14);
        for (double k : {0.3, 1.0, 2.0, M_PI})
            CHECK_CLOSE(window.transform(k), integral(rule, k) / integral(rule, 0), 1e-9);
    }
}

void inverseTransformIsSymmetric() {
    const Window window = windowOf(getMeshRules().front());
    for (int n : {7, 8, 30}) {
        vector<double> inverse = window.inverseTransform(n);
        CHECK((int) inverse.size() == n);
        CHECK_CLOSE(inverse[0], 1, 1e-14);
        for (int j = 1; j < n; j++) {
            CHECK(inverse[j] == inverse[n - j]);
            CHECK_CLOSE(inverse[j] * window.transform(2 * M_PI * min(j, n - j) / n), 1, 1e-12);
        }
    }
}

} // namespace

int main() {
    return runTests({{"polynomials follow the formula", polynomialsFollowTheFormula},
                     {"weights are continuous", weightsAreContinuous},
                     {"transform follows from quadrature", transformFollowsFromQuadrature},
                     {"inverse transform is symmetric", inverseTransformIsSymmetric}});
}
