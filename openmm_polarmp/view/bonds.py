"""Bonds from the distances of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp import units
from openmm_polarmp.models.radii import COVALENT_RADII
from openmm_polarmp.models.training_range import BOND_FACTOR, NONMETALS
from openmm_polarmp.neighbors import close_pairs


def find_bonds(numbers: NDArray, positions: NDArray, box: NDArray | None) -> NDArray:
    """Pairs of atoms as near to each other as bonded ones: [B, 2], the lower index first.

    Parameters
    ----------
    numbers : array [N]
        Atomic numbers; 0 for particles that are no atoms.
    positions : array [N, 3]
        nm.
    box : array [3, 3] or None
        Box vectors in nm; None without a periodic box.
    """
    radii = np.array([0.0, *COVALENT_RADII])[numbers]
    reach = 2 * BOND_FACTOR * float(radii[np.isin(numbers, NONMETALS)].max(initial=0.0))
    if reach == 0:
        return np.empty((0, 2), dtype=int)
    cell = None if box is None else box * units.ANGSTROM_PER_NM
    pairs, distances = close_pairs(np.asarray(positions, dtype=float) * units.ANGSTROM_PER_NM, reach, cell)
    bonded = (distances < BOND_FACTOR * radii[pairs].sum(0)) & np.isin(numbers[pairs], NONMETALS).all(0)
    bonds = pairs[:, bonded & (pairs[0] < pairs[1])]
    return np.unique(bonds.T, axis=0)
