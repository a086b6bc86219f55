"""The mesh window: smooth Kaiser-Bessel, one short polynomial per grid point (theory.md section 5).

The kernels use the same window in the same convention, see
plugin_cpp/openmmapi/include/openmm_polarmp/internal/Window.h.
"""

import math
from functools import lru_cache

import numpy as np


class Window:
    """W(x) = (1-x^2)^(m/2) I_m(beta sqrt(1-x^2)), |x| < 1, over ``width`` grid points, normalised to a unit integral.

    An atom at u (in grid units) contributes to the points g = j0 + p, p = 0..width-1, with j0 = floor(u - width/2) + 1. With
    f = u - width/2 - floor(u - width/2) in [0, 1) point p lies at x_p = 1 + 2 (f - 1 - p)/width, and its weight is the
    polynomial theta_p(f) = sum_n coefficients[p, n] (f - 1/2)^n. Derivatives of the weight with respect to u are
    derivatives of that polynomial.

    Parameters
    ----------
    width : int
        Number of grid points per axis.
    m : int
        Smoothness: the first m - 1 derivatives vanish at the edge.
    beta : float
        Shape of the window; large values favour its centre.
    degree : int
        Degree of the polynomials.
    """

    def __init__(self, width: int, m: int, beta: float, degree: int):
        self.width, self.m, self.beta, self.degree = width, m, beta, degree
        # W is a polynomial times an entire function, so that this quadrature is exact to rounding.
        nodes, weights = np.polynomial.legendre.leggauss(96)
        values = self._shape(nodes)
        self._norm = 1 / (width / 2 * (weights @ values))
        self._nodes = nodes * width / 2
        self._weights = weights * values * self._norm * width / 2
        self.coefficients = self._fit()

    def _shape(self, x: np.ndarray) -> np.ndarray:
        """W without its norm, by the ascending series of I_m, which has positive terms and no division at the edge."""
        s2 = np.clip(1 - x * x, 0, None)
        quarter = (self.beta / 2) ** 2 * s2
        term = np.full_like(s2, 1 / math.factorial(self.m))
        total = term.copy()
        for j in range(1, 30 + int(2 * self.beta)):
            term = term * quarter / (j * (j + self.m))
            total = total + term
        return s2**self.m * total

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """W at distance u (grid units) from the centre; zero outside of the support."""
        x = 2 * np.asarray(u, dtype=float) / self.width
        return np.where(np.abs(x) < 1, self._norm * self._shape(x), 0.0)

    def _fit(self) -> np.ndarray:
        """Interpolation at the degree + 1 Chebyshev nodes of 0 < f < 1: [width, degree + 1], lowest power first."""
        d = self.degree
        t = np.cos(math.pi * (np.arange(d + 1) + 0.5) / (d + 1)) / 2
        p = np.arange(self.width)[:, None]
        x = 1 + 2 * (t[None, :] + 0.5 - 1 - p) / self.width
        # the powers of 2t lie in [-1, 1]: a far better conditioned matrix than that of the powers of t
        powers = np.vander(2 * t, d + 1, increasing=True)
        scaled = np.linalg.solve(powers, (self._norm * self._shape(x)).T).T
        return scaled * 2.0 ** np.arange(d + 1)

    def derivative_coefficients(self, order: int) -> np.ndarray:
        """Polynomials of the ``order``-th derivative of every weight: [width, degree + 1]."""
        c = self.coefficients
        for _ in range(order):
            c = np.concatenate([c[:, 1:] * np.arange(1, c.shape[1]), np.zeros((self.width, 1))], 1)
        return c

    def quadrature(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes in grid units and weights with W^(k) = sum of weights times cos(k nodes)."""
        return self._nodes, self._weights

    def transform(self, k: np.ndarray) -> np.ndarray:
        """W^(k) = int W(u) cos(k u) du, k in radians per grid spacing; W^(0) = 1."""
        return np.cos(np.multiply.outer(np.asarray(k, dtype=float), self._nodes)) @ self._weights

    def inverse_transform(self, n: int) -> np.ndarray:
        """1 / W^(2 pi j/n) for j = 0..n-1, the deconvolution along an axis of n points (even in frequency)."""
        j = np.arange(n)
        return 1 / self.transform(2 * math.pi * np.minimum(j, n - j) / n)


@lru_cache(maxsize=64)
def window(width: int, m: int, beta: float, degree: int) -> Window:
    """A window, cached: the fit of its polynomials takes some time."""
    return Window(width, m, beta, degree)
