"""Distributions of charges and of molecules' dipoles along a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import mdtraj

    from openmm_polarmp.reporters import MultipoleFile


@dataclass
class Distribution:
    """A normalized histogram.

    Attributes
    ----------
    edges : array [B + 1]
        Of the bins, in the values' unit.
    density : array [B]
        Probability per unit; what lies outside of the bins counts in the normalization.
    error : array [B] or None
        Standard error of the mean over the blocks; None for a single block.
    mean, deviation : float
        Of all values.
    """

    edges: NDArray
    density: NDArray
    error: NDArray | None
    mean: float
    deviation: float


def distribution(blocks: Iterable[NDArray], low: float, high: float, bins: int = 100) -> Distribution:
    """
    Histogram of values that come in blocks, which need not fit into memory together.

    Parameters
    ----------
    blocks
        Values of any shape; each array is one block of the error estimate
    low, high, bins
        Range and number of the bins
    """
    if not high > low or bins < 1:
        raise ValueError(f"low, high, bins: expected low < high and at least one bin, got {low}, {high}, {bins}")
    edges = np.linspace(low, high, bins + 1)
    densities, sizes, sums, squares = [], [], 0.0, 0.0
    for block in blocks:
        values = np.asarray(block, dtype=float).ravel()
        if len(values) == 0:
            continue
        densities.append(np.histogram(values, edges)[0] / len(values) / np.diff(edges))
        sizes.append(len(values))
        sums, squares = sums + values.sum(), squares + (values**2).sum()
    if not densities:
        raise ValueError("blocks: there are no values")
    found, weights = np.array(densities), np.array(sizes) / np.sum(sizes)
    density = weights @ found
    error = None
    if len(found) > 1:
        error = np.sqrt((weights[:, None] * (found - density) ** 2).sum(0) / (len(found) - 1))
    mean = sums / np.sum(sizes)
    return Distribution(edges, density, error, float(mean), float(np.sqrt(max(squares / np.sum(sizes) - mean**2, 0))))


def charges(file: MultipoleFile, atoms: Sequence[int] | None = None) -> Iterator[NDArray]:
    """Charges, permanent and induced together, a chunk at a time: [T, N] in e.

    Parameters
    ----------
    file
        What a `MultipoleReporter` wrote
    atoms
        Places among the file's atoms, for example ``topology.select("element O")`` of mdtraj; all if None
    """
    for chunk in file.chunks():
        total = chunk["charges"] + chunk["induced_charges"]
        yield total if atoms is None else total[:, np.asarray(atoms)]


def dipoles(file: MultipoleFile, molecules: Sequence[NDArray]) -> Iterator[NDArray]:
    """Magnitudes of molecules' dipoles, permanent and induced together, a chunk at a time: [T, M] in e nm."""
    for chunk in file.chunks():
        total = chunk["charges"] + chunk["induced_charges"]
        local = chunk["dipoles"] + chunk["induced_dipoles"]
        found = [molecular_dipoles(*frame, molecules) for frame in zip(chunk["positions"], total, local, strict=True)]
        yield np.linalg.norm(found, axis=2)


def molecules_of(topology: mdtraj.Topology, selection: str = "all") -> list[NDArray]:
    """Atoms of each residue of which a selection in mdtraj's language has any."""
    chosen = set(topology.select(selection).tolist())
    residues = [np.array([atom.index for atom in residue.atoms]) for residue in topology.residues]
    return [atoms for atoms in residues if chosen & set(atoms.tolist())]


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
