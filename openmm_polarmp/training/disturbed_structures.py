"""Structures with large random displacements, whose energy must not be low."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.neighbors import batched_pairs
from openmm_polarmp.training.data.structure import Batch, Structure

# The lower bound is a weak spring for each atom's displacement, far below the true energy.
STIFFNESS = 2.0  # eV/A^2
LARGEST_COUNTED = 0.6  # A; longer displacements raise the bound no further


def disturb(structure: Structure, rng: np.random.Generator, cutoff: float) -> tuple[Structure, torch.Tensor]:
    """Copy a structure with random displacements of up to several A.

    Parameters
    ----------
    structure : Structure
        The original.
    rng : numpy.random.Generator
        Source of the displacements.
    cutoff : float
        A, of the copy's pairs.

    Returns
    -------
    copy : Structure
        With new positions and pairs; its labels are the original's.
    bound : Tensor []
        Energy above the original's, eV, that the copy must have at least.
    """
    displacements = _displacements(structure, rng)
    positions = structure.positions + displacements
    cell = None if structure.cell is None else structure.cell.double()
    index, shifts = batched_pairs(positions.double(), cutoff, cell)
    bound = (STIFFNESS * displacements.norm(dim=1).clamp(max=LARGEST_COUNTED) ** 2).sum()
    shifts = shifts.to(positions.dtype)
    return dataclasses.replace(structure, positions=positions, edge_index=index, edge_shifts=shifts), bound


def energy_deficits(model: PolarMPModel, batch: Batch, seeds: list[tuple[int, ...]]) -> torch.Tensor:
    """Energies (eV) by which a disturbed copy of each structure lies below its bound, [B]; zero if it does not.

    Structures whose energy has no weight have no bound.

    Parameters
    ----------
    model : PolarMPModel
        Evaluated with its gradient.
    batch : Batch
        The undisturbed structures.
    seeds : list of tuple of int
        One for each structure, so that its displacements do not depend on the rest of the batch.
    """
    pairs = [
        disturb(structure, np.random.default_rng(seed), model.cutoff)
        for structure, seed in zip(batch.structures, seeds, strict=True)
    ]
    copy = Batch.of([structure for structure, _ in pairs], batch.positions.device)
    bounds = torch.stack([bound for _, bound in pairs]).to(batch.energy)
    energy = model.energy(copy.positions, copy.species, copy.cells, **copy.options, external_field=copy.external_field)
    return (batch.energy_weights() > 0) * (bounds - (energy - copy.energy)).relu()


def _displacements(structure: Structure, rng: np.random.Generator) -> torch.Tensor:
    n, dtype = len(structure), structure.positions.dtype
    size = math.exp(rng.uniform(math.log(0.15), math.log(1.6)))

    def random(count: int) -> torch.Tensor:
        return torch.as_tensor(rng.standard_normal((count, 3)), dtype=dtype)

    kind = rng.integers(4)
    if kind == 0:  # all atoms
        return random(n) * size * 0.6
    if kind == 1:  # a minimizer's long step
        return structure.forces * (size * 8 / max(float(structure.forces.norm()), 1e-6))
    displacements = torch.zeros(n, 3, dtype=dtype)
    if kind == 2 or structure.edge_index.shape[1] == 0:  # a few atoms
        some = torch.from_numpy(rng.permutation(n)[: rng.integers(1, min(20, n) + 1)].copy())
        displacements[some] = random(len(some)) * size
        return displacements
    senders, receivers = structure.edge_index  # a few pairs pulled together
    pairs = torch.from_numpy(rng.integers(0, len(senders), rng.integers(1, 12)))
    images = 0.0 if structure.cell is None else structure.edge_shifts[pairs] @ structure.cell
    vectors = structure.positions[senders[pairs]] + images - structure.positions[receivers[pairs]]
    fractions = torch.as_tensor(rng.uniform(0.3, 1.0, (len(pairs), 1)), dtype=dtype)
    return displacements.index_add_(0, receivers[pairs], 0.9 * fractions * vectors)
