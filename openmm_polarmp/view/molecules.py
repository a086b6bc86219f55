"""Bonds and molecules from the distances of a frame, and molecules in one piece."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp import units
from openmm_polarmp.models.elements import SYMBOLS
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


class Molecules:
    """Atoms that bonds connect.

    Parameters
    ----------
    bonds : array [B, 2]
        Bonded atoms.
    n_atoms : int
        Number of all atoms.

    Attributes
    ----------
    atoms : list of array
        Indices of each molecule's atoms.
    index : array [N]
        The molecule of each atom.
    """

    def __init__(self, bonds: NDArray, n_atoms: int) -> None:
        neighbors: list[list[int]] = [[] for _ in range(n_atoms)]
        for i, j in bonds.tolist():
            neighbors[i].append(j)
            neighbors[j].append(i)
        self.index = np.full(n_atoms, -1)
        self.atoms: list[NDArray] = []
        # Bonds from atoms at each distance from the molecule's first atom, counted in bonds, to those one bond farther.
        self._levels: list[list[tuple[int, int]]] = []
        for first in range(n_atoms):
            if self.index[first] < 0:
                self._follow(first, neighbors)

    def _follow(self, first: int, neighbors: list[list[int]]) -> None:
        molecule, depth, reached = len(self.atoms), 0, [first]
        self.index[first] = molecule
        level = [first]
        while level:
            steps = []
            for i in level:
                for j in neighbors[i]:
                    if self.index[j] < 0:
                        self.index[j] = molecule
                        steps.append((i, j))
            if len(self._levels) == depth:
                self._levels.append([])
            self._levels[depth] += steps
            depth, level = depth + 1, [j for _, j in steps]
            reached += level
        self.atoms.append(np.array(sorted(reached)))

    def whole(self, positions: NDArray, box: NDArray) -> NDArray:
        """Every molecule in one piece with its centre in the box: [N, 3] in nm, of one frame."""
        r = np.array(positions, dtype=float)
        for level in self._levels:
            if level:
                i, j = np.array(level).T
                r[j] = r[i] + nearest_image(r[j] - r[i], box)
        centers = sums(r, self.atoms) / np.array([len(a) for a in self.atoms])[:, None]
        inside = centers - np.floor(centers @ np.linalg.inv(box)) @ box
        return r + (inside - centers)[self.index]

    def formulas(self, numbers: NDArray) -> list[str]:
        """Sum formula of each molecule, as H2O, elements in alphabetical order but carbon first."""
        return [_formula(numbers[atoms]) for atoms in self.atoms]


def nearest_image(vectors: NDArray, box: NDArray) -> NDArray:
    """Vectors to the nearest image, for boxes in OpenMM's reduced form."""
    for k in (2, 1, 0):
        vectors = vectors - np.round(vectors[..., k : k + 1] / box[k, k]) * box[k]
    return vectors


def sums(values: NDArray, groups: list[NDArray]) -> NDArray:
    """Sums of rows over groups of indices."""
    starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    return np.add.reduceat(values[np.concatenate(groups)], starts)


def _formula(numbers: NDArray) -> str:
    kinds, counts = np.unique(numbers, return_counts=True)
    names = {SYMBOLS[z]: n for z, n in zip(kinds.tolist(), counts.tolist(), strict=True)}
    return "".join(
        f"{name}{n if n > 1 else ''}" for name, n in sorted(names.items(), key=lambda x: (x[0] != "C", x[0]))
    )
