"""The radial functions of the direct sum."""

import numpy as np
import pytest
import torch
from scipy.special import hyp1f1

from openmm_polarmp.electrostatics._pair_potential import _SERIES_LIMIT, boys


@pytest.mark.parametrize("order", [0, 4, 5, 8])
def test_boys_functions(order):
    """F_n(x) = 1F1(n + 1/2; n + 3/2; -x) / (2n + 1), on both sides of the switch and at zero."""
    x = np.concatenate([[0.0, 1e-300, 1e-12], np.linspace(0.01, 30, 300), _SERIES_LIMIT + np.array([-1e-12, 0, 1e-12])])
    values = boys(torch.from_numpy(x), order)
    assert len(values) == order + 1
    for n, value in enumerate(values):
        np.testing.assert_allclose(value.numpy(), hyp1f1(n + 0.5, n + 1.5, -x) / (2 * n + 1), rtol=1e-11)
