#pragma once
#include <vector>

namespace PolarMPPlugin {

/**
 * The mesh window W(x) = (1-x^2)^(m/2) I_m(beta sqrt(1-x^2)), |x| < 1, on w grid points (theory.md section 5),
 * as one polynomial per grid offset, so that values and derivatives cost a few multiplications. The same window, in
 * the same convention, is in openmm_polarmp/electrostatics/window.py.
 *
 * An atom at u (in grid units) touches the points j0 + p, p = 0..w-1, with j0 = floor(u - w/2) + 1. With
 * f = u - w/2 - floor(u - w/2) the weight of point j0 + p is theta_p(f) = sum_n coefficients[p][n] (f - 1/2)^n.
 */
class Window {
public:
    Window(int width, int m, double beta, int degree);
    const int width, degree;
    /** [width][degree+1], lowest power first */
    const std::vector<double>& getCoefficients() const {
        return coefficients;
    }
    /** The window's Fourier transform, int W(u) exp(-i k u) du, with k in radians per grid spacing. W^(0) = 1. */
    double transform(double k) const;
    /** 1 / W^(2 pi j/n) for j = 0..n-1, where j > n/2 stands for the negative frequency j-n. */
    std::vector<double> inverseTransform(int n) const;

private:
    std::vector<double> coefficients;
    std::vector<double> nodes, weights;  // quadrature of W on (-1, 1), even part
};

} // namespace PolarMPPlugin
