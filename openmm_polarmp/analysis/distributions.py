"""Distributions of charges and of molecular dipoles along a simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.molecules import joined_residues, molecular_dipoles

if TYPE_CHECKING:
    import mdtraj

    from openmm_polarmp.reporters import MultipoleFile


@dataclass
class Distribution:
    """A normalized histogram.

    Attributes
    ----------
    edges : array [B + 1]
        Edges of the bins, in the unit of the values.
    density : array [B]
        Probability per unit of the values; values outside of the bins count in the normalization.
    error : array [B] or None
        Standard error of the density over the blocks, per unit of the values; None for a single block.
    mean, deviation : float
        Mean and standard deviation of all values, in the unit of the values.
    """

    edges: NDArray
    density: NDArray
    error: NDArray | None
    mean: float
    deviation: float


def distribution(blocks: Iterable[NDArray], low: float, high: float, bins: int = 100) -> Distribution:
    """Histogram of values in blocks, which need not fit into memory together.

    Parameters
    ----------
    blocks : iterable of array
        Values of any shape; each array is one block of the error estimate.
    low, high : float
        Range of the bins, in the unit of the values.
    bins : int
        Number of bins.
    """
    if not high > low:
        raise ValueError(f"high is {high}; numbers above low = {low} are accepted")
    if bins < 1:
        raise ValueError(f"bins is {bins}; a positive integer is accepted")
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
        raise ValueError("blocks is without values; at least one value is accepted")
    of_blocks, weights = np.array(densities), np.array(sizes) / np.sum(sizes)
    density = weights @ of_blocks
    error = None
    if len(of_blocks) > 1:
        error = np.sqrt((weights[:, None] * (of_blocks - density) ** 2).sum(0) / (len(of_blocks) - 1))
    mean = sums / np.sum(sizes)
    return Distribution(edges, density, error, float(mean), float(np.sqrt(max(squares / np.sum(sizes) - mean**2, 0))))


def charges(file: MultipoleFile, atoms: Sequence[int] | None = None) -> Iterator[NDArray]:
    """Sums of permanent and induced charges, a chunk at a time: [T, N] in e.

    Parameters
    ----------
    file : MultipoleFile
        The file of a `MultipoleReporter`.
    atoms : sequence of int, optional
        Indices among the file's atoms, for example ``topology.select("element O")`` of mdtraj; by default all.
    """
    for chunk in file.chunks():
        total = chunk["charges"] + chunk["induced_charges"]
        yield total if atoms is None else total[:, np.asarray(atoms)]


def dipoles(file: MultipoleFile, molecules: Sequence[NDArray]) -> Iterator[NDArray]:
    """Magnitudes of molecular dipoles, permanent and induced, a chunk at a time: [T, M] in e nm.

    Parameters
    ----------
    file : MultipoleFile
        The file of a `MultipoleReporter`.
    molecules : sequence of array
        Indices of each molecule's atoms.
    """
    for chunk in file.chunks():
        total = chunk["charges"] + chunk["induced_charges"]
        atomic = chunk["dipoles"] + chunk["induced_dipoles"]
        frames = zip(chunk["positions"], total, atomic, strict=True)
        yield np.linalg.norm([molecular_dipoles(*frame, molecules) for frame in frames], axis=2)


def molecules_of(topology: mdtraj.Topology, selection: str = "all") -> list[NDArray]:
    """Indices of the atoms of each molecule that has an atom in a selection (in mdtraj's language).

    Atoms of a residue belong together, and so do residues that a bond joins.
    """
    selected = set(topology.select(selection).tolist())
    residues = [[atom.index for atom in residue.atoms] for residue in topology.residues]
    bonds = [(bond.atom1.index, bond.atom2.index) for bond in topology.bonds]
    molecules = joined_residues(residues, bonds, topology.n_atoms)
    return [atoms for atoms in molecules if selected & set(atoms.tolist())]
