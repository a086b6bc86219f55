"""The mesh window against its definition, its analytic transform and finite differences."""

import math

import numpy as np
import pytest
from scipy.special import iv, jv

from openmm_polarmp.electrostatics.mesh_table import MESH_RULES, choose_mesh_rule, legal_mesh_size, mesh_shape
from openmm_polarmp.electrostatics.window import Window


def definition(x, m, beta):
    s = np.sqrt(np.clip(1 - x * x, 0, None))
    return s**m * iv(m, beta * s)


def analytic_transform(xi, m, beta):
    """Transform over -1 < x < 1 of (1-x^2)^(m/2) I_m(beta sqrt(1-x^2)): a Bessel function of order m + 1/2 (Sonine)."""
    d = beta**2 - xi**2
    nu = m + 0.5
    root = np.sqrt(np.abs(d))
    value = np.where(d > 0, iv(nu, root), jv(nu, root)) / root**nu
    return math.sqrt(2 * math.pi) * beta**m * value


@pytest.mark.parametrize("rule", MESH_RULES, ids=lambda rule: f"{rule.accuracy:g}")
def test_window_is_its_definition(rule):
    window = rule.window()
    u = np.linspace(-0.499, 0.499, 41) * rule.width
    shape = definition(2 * u / rule.width, rule.m, rule.beta)
    # a norm that is not the code's own: the transform at k = 0
    norm = 1 / (rule.width / 2 * analytic_transform(1e-9, rule.m, rule.beta))
    np.testing.assert_allclose(window(u), norm * shape, rtol=1e-12, atol=1e-15)
    assert window(np.array([rule.width / 2, -rule.width])).tolist() == [0, 0]


@pytest.mark.parametrize("rule", MESH_RULES, ids=lambda rule: f"{rule.accuracy:g}")
def test_transform_is_analytic(rule):
    def expected(k):
        return analytic_transform(k * rule.width / 2, rule.m, rule.beta) / analytic_transform(1e-9, rule.m, rule.beta)

    k = np.linspace(0, math.pi, 50)
    np.testing.assert_allclose(rule.window().transform(k), expected(k), rtol=1e-10)
    for n in (12, 15):  # even and odd: index j > n/2 is the negative frequency
        frequencies = 2 * math.pi * np.fft.fftfreq(n)
        np.testing.assert_allclose(rule.window().inverse_transform(n), 1 / expected(frequencies), rtol=1e-10)


@pytest.mark.parametrize("rule", MESH_RULES, ids=lambda rule: f"{rule.accuracy:g}")
def test_polynomials_follow_the_window(rule):
    """theta_p(f) is W at u - g, g = j0 + p, in the convention that the kernels share."""
    window, w = rule.window(), rule.width
    powers = np.arange(rule.degree + 1)
    largest = window(np.zeros(1))[0]
    for u in (3.0, 3.2, 7.49999, 11.75, -2.3):
        f = u - w / 2 - math.floor(u - w / 2)
        j0 = math.floor(u - w / 2) + 1
        points = j0 + np.arange(w)
        assert np.abs(u - points).max() <= w / 2 + 1e-12
        theta = window.coefficients @ (f - 0.5) ** powers
        # the polynomials' own error has to stay below what the row promises
        np.testing.assert_allclose(theta, window(u - points), atol=max(0.3 * rule.accuracy, 1e-9) * largest)


def test_long_polynomials_converge_and_derivatives_are_derivatives():
    window = Window(8, 3, 16.0, 14)
    p, f, h = np.arange(8), 0.37, 1e-3
    powers = np.arange(15)
    distance = f - 1 - p + 4

    def weights(order):
        return window.derivative_coefficients(order) @ (f - 0.5) ** powers

    np.testing.assert_allclose(weights(0), window(distance), atol=1e-12)
    np.testing.assert_allclose(weights(1), (window(distance + h) - window(distance - h)) / (2 * h), atol=1e-5)
    second = (window(distance + h) - 2 * window(distance) + window(distance - h)) / h**2
    np.testing.assert_allclose(weights(2), second, atol=1e-5)
    assert not window.derivative_coefficients(15).any()


def test_mesh_sizes():
    assert [legal_mesh_size(n) for n in (1, 11, 13, 17, 121, 127)] == [1, 12, 14, 18, 125, 128]
    rule = choose_mesh_rule(5e-4)
    assert rule.accuracy == 5e-4
    assert choose_mesh_rule(1.0) is MESH_RULES[0]
    # between two rows the stricter one
    assert choose_mesh_rule(4.9e-4).accuracy < 4.9e-4
    with pytest.raises(ValueError, match="accuracy"):
        choose_mesh_rule(1e-9)
    shape = mesh_shape([30.0, 31.0, 0.5], rule, sigma=1.0)
    assert all(30.0 / n <= rule.spacing for n in shape[:2]) and shape[2] >= rule.width
    # a hard cutoff has to fit into the mesh
    assert mesh_shape([30.0] * 3, rule, 1.0, k_max=9.0)[0] >= 30.0 * 9.0 / math.pi


def test_rows_are_ordered():
    accuracies = [rule.accuracy for rule in MESH_RULES]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] >= 1e-2 and accuracies[-1] <= 1e-7 and 5e-4 in accuracies
