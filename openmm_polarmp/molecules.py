"""Molecules: the atoms that bonds connect, in one piece, and their dipoles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.models.elements import SYMBOLS


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


def joined_residues(residues: Iterable[Sequence[int]], bonds: Iterable[tuple[int, int]], n_atoms: int) -> list[NDArray]:
    """Indices of the atoms of each molecule: a residue belongs together, and so do residues that a bond joins.

    Parameters
    ----------
    residues : iterable of sequence of int
        Indices of each residue's atoms, of which some topologies have no bonds.
    bonds : iterable of (int, int)
        Bonded atoms.
    n_atoms : int
        Number of all atoms; those of no residue are molecules by themselves.
    """
    pairs = [*bonds, *(pair for atoms in residues for pair in pairwise(atoms))]
    return Molecules(np.array(pairs, dtype=int).reshape(-1, 2), n_atoms).atoms


def molecular_dipoles(positions: NDArray, charges: NDArray, dipoles: NDArray, molecules: Sequence[NDArray]) -> NDArray:
    """Dipole of every molecule about its centre, [M, 3] in e nm.

    Parameters
    ----------
    positions : array [N, 3]
        nm; no molecule is split by the box.
    charges : array [N]
        e, permanent, or permanent and induced.
    dipoles : array [N, 3]
        Of the atoms, e nm.
    molecules : sequence of array of int
        Indices of each molecule's atoms.
    """
    q, r = np.asarray(charges, dtype=float)[:, None], np.asarray(positions, dtype=float)
    centers = sums(r, molecules) / np.array([len(atoms) for atoms in molecules])[:, None]
    return sums(q * r + dipoles, molecules) - sums(q, molecules) * centers


def sums(values: NDArray, groups: Sequence[NDArray]) -> NDArray:
    """Sums of rows over groups of indices."""
    starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    return np.add.reduceat(values[np.concatenate(groups)], starts)


def _formula(numbers: NDArray) -> str:
    kinds, counts = np.unique(numbers, return_counts=True)
    names = {SYMBOLS[z]: n for z, n in zip(kinds.tolist(), counts.tolist(), strict=True)}
    return "".join(
        f"{name}{n if n > 1 else ''}" for name, n in sorted(names.items(), key=lambda x: (x[0] != "C", x[0]))
    )
