"""The window and the choice of the mesh, written twice (C++ and torch): the same numbers."""

import numpy as np
import pytest

from openmm_polarmp import _polarmp
from openmm_polarmp.electrostatics.mesh_table import MESH_RULES
from openmm_polarmp.electrostatics.window import window


def test_same_table():
    assert _polarmp.mesh_rules() == [tuple(rule) for rule in MESH_RULES]
    accuracies = [rule.accuracy for rule in MESH_RULES]
    assert accuracies == sorted(accuracies, reverse=True)
    assert 5e-4 in accuracies


@pytest.mark.parametrize("rule", MESH_RULES, ids=lambda r: f"{r.accuracy:g}")
def test_same_window(rule):
    parameters = (rule.width, rule.m, rule.beta, rule.degree)
    expected = window(*parameters)
    # As polynomials: the coefficients alone are ill-conditioned.
    powers = np.linspace(-0.5, 0.5, 41)[:, None] ** np.arange(rule.degree + 1)
    values = powers @ _polarmp.window_coefficients(*parameters).T
    np.testing.assert_allclose(values, powers @ expected.coefficients.T, rtol=0, atol=1e-12 * values.max())
    for k in np.linspace(0, np.pi, 7):
        assert _polarmp.window_transform(*parameters, k) == pytest.approx(
            float(expected.transform(k)), rel=1e-12, abs=1e-15
        )
