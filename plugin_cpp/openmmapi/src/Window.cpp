#include "openmm_polarmp/internal/Window.h"
#include <cmath>

using namespace PolarMPPlugin;
using namespace std;

namespace {

/** z^m I_m(beta z) as a function of z^2 = 1 - x^2: the power series has positive terms only, nothing cancels. */
double windowShape(double x, int m, double beta) {
    double z2 = max(0.0, 1 - x * x);
    double term = 1;  // (beta/2)^m z^(2m) / m!
    for (int i = 1; i <= m; i++)
        term *= 0.5 * beta * z2 / i;
    double sum = term;
    for (int k = 1; term > 1e-18 * sum; k++) {
        term *= 0.25 * beta * beta * z2 / (k * (double) (k + m));
        sum += term;
    }
    return sum;
}

/** Gauss-Legendre nodes and weights on (-1, 1), by Newton's method on the Legendre polynomial. */
void gaussLegendre(int n, vector<double>& nodes, vector<double>& weights) {
    nodes.resize(n);
    weights.resize(n);
    for (int i = 0; i < n; i++) {
        double x = cos(M_PI * (i + 0.75) / (n + 0.5)), slope = 1;
        for (int iteration = 0; iteration < 100; iteration++) {
            double previous = 1, value = x;
            for (int k = 2; k <= n; k++) {
                double next = ((2 * k - 1) * x * value - (k - 1) * previous) / k;
                previous = value;
                value = next;
            }
            slope = n * (x * value - previous) / (x * x - 1);
            double step = value / slope;
            x -= step;
            if (fabs(step) < 1e-16)
                break;
        }
        nodes[i] = x;
        weights[i] = 2 / ((1 - x * x) * slope * slope);
    }
}

/** Monomial coefficients, in t on [-1, 1], of the polynomial through values at the Chebyshev nodes. */
vector<double> interpolate(const vector<double>& values) {
    int n = values.size();
    vector<double> result(n, 0.0), previous(n, 0.0), current(n, 0.0);
    previous[0] = 1;                // T_0
    if (n > 1)
        current[1] = 1;             // T_1
    for (int k = 0; k < n; k++) {
        double c = 0;
        for (int j = 0; j < n; j++)
            c += values[j] * cos(k * M_PI * (j + 0.5) / n);
        c *= (k == 0 ? 1.0 : 2.0) / n;
        const vector<double>& polynomial = (k == 0 ? previous : current);
        for (int i = 0; i < n; i++)
            result[i] += c * polynomial[i];
        if (k > 0) {                // T_{k+1} = 2 t T_k - T_{k-1}
            vector<double> next(n, 0.0);
            for (int i = 0; i + 1 < n; i++)
                next[i + 1] = 2 * current[i];
            for (int i = 0; i < n; i++)
                next[i] -= previous[i];
            previous = current;
            current = next;
        }
    }
    return result;
}

} // namespace

Window::Window(int width, int m, double beta, int degree) : width(width), degree(degree) {
    gaussLegendre(96, nodes, weights);
    double integral = 0;
    for (size_t i = 0; i < nodes.size(); i++) {
        weights[i] *= windowShape(nodes[i], m, beta);
        integral += weights[i];
    }
    for (double& weight : weights)
        weight /= integral;
    double norm = 1 / (integral * 0.5 * width);
    vector<double> values(degree + 1);
    for (int p = 0; p < width; p++) {
        for (int j = 0; j <= degree; j++) {
            double f = 0.5 + 0.5 * cos(M_PI * (j + 0.5) / (degree + 1));
            values[j] = norm * windowShape(1 + 2 * (f - 1 - p) / width, m, beta);
        }
        vector<double> inT = interpolate(values);  // t = 2 (f - 1/2)
        for (int n = 0; n <= degree; n++)
            coefficients.push_back(inT[n] * pow(2.0, n));
    }
}

double Window::transform(double k) const {
    double sum = 0;
    for (size_t i = 0; i < nodes.size(); i++)
        sum += weights[i] * cos(0.5 * k * width * nodes[i]);
    return sum;
}

vector<double> Window::inverseTransform(int n) const {
    vector<double> result(n);
    for (int j = 0; j < n; j++) {
        int frequency = (j <= n / 2 ? j : j - n);
        result[j] = 1 / transform(2 * M_PI * frequency / n);
    }
    return result;
}
