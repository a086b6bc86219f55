"""Response by differences in a uniform field, for methods that count in atomic units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

FIELD_STEP = 1e-3
"""Hartree/(e Bohr), 0.05 V/A; the error of the central difference is of second order in it."""


def response_by_field(
    at_field: Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Born charges Z*_i,ab = dF_i,b/dE_a [N, 3, 3] in e and polarizability alpha_ab = dD_a/dE_b [3, 3] in e^2 A^2/eV.

    Parameters
    ----------
    at_field : callable
        Forces [N, 3] and dipole [3] in a field [3], all in atomic units.
    """
    born, alpha = [], []
    for field in FIELD_STEP * np.eye(3):
        (high_forces, high_dipole), (low_forces, low_dipole) = at_field(field), at_field(-field)
        born.append((high_forces - low_forces) / (2 * FIELD_STEP))
        alpha.append((high_dipole - low_dipole) / (2 * FIELD_STEP))
    return np.stack(born, axis=1), np.stack(alpha, axis=1) * Bohr**2 / Hartree
