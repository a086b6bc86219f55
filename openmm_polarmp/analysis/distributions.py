"""Dipoles of molecules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def molecular_dipoles(positions: NDArray, charges: NDArray, dipoles: NDArray, molecules: Sequence[NDArray]) -> NDArray:
    """
    Dipole of every molecule, [M, 3] in e nm, about its own centre.

    Parameters
    ----------
    positions, charges, dipoles
        [N, 3] in nm, molecules whole; [N] in e; [N, 3] in e nm: permanent and induced together, as wanted
    molecules
        Indices of each molecule's atoms
    """
    found = []
    for atoms in molecules:
        r = positions[atoms]
        found.append(charges[atoms] @ (r - r.mean(0)) + dipoles[atoms].sum(0))
    return np.array(found)
