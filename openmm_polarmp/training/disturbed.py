"""Violently disturbed structures, which must not have a low energy."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.neighbors import batched_pairs
from openmm_polarmp.training.data.structure import Batch, Structure

STIFFNESS = 2.0  # eV/A^2 for each atom's displacement, of which at most 0.6 A count: far below the truth
COUNTED = 0.6


def disturbed(structure: Structure, rng: np.random.Generator, cutoff: float) -> tuple[Structure, torch.Tensor]:
    """A copy with violent displacements of up to several A, and how high (eV) above the original it has to lie."""
    moved = _displacements(structure, rng)
    positions = structure.positions + moved
    cell = None if structure.cell is None else structure.cell.double()
    index, shifts = batched_pairs(positions.double(), cutoff, cell)
    bound = (STIFFNESS * moved.norm(dim=1).clamp(max=COUNTED) ** 2).sum()
    shifts = shifts.to(positions.dtype)
    return dataclasses.replace(structure, positions=positions, edge_index=index, edge_shifts=shifts), bound


def holes(model: PolarMPModel, batch: Batch, seeds: list[tuple[int, ...]]) -> torch.Tensor:
    """By how much (eV) a disturbed copy of each structure lies below its bound, [B]; zero if it does not.

    Parameters
    ----------
    seeds : list of tuple of int
        One for each structure, so that its disturbance does not depend on what else is in the batch.
    """
    pairs = [
        disturbed(structure, np.random.default_rng(seed), model.cutoff)
        for structure, seed in zip(batch.structures, seeds, strict=True)
    ]
    copy = Batch.of([structure for structure, _ in pairs], batch.positions.device)
    bounds = torch.stack([bound for _, bound in pairs]).to(batch.energy)
    energy = model.energy(
        copy.positions,
        copy.species,
        copy.cells,
        pbc=copy.periodic,
        batch=copy.batch,
        total_charge=copy.total_charge,
        edges=copy.edges,
    )
    return (bounds - (energy - copy.energy)).relu()


def _displacements(structure: Structure, rng: np.random.Generator) -> torch.Tensor:
    n, dtype = len(structure), structure.positions.dtype
    size = math.exp(rng.uniform(math.log(0.15), math.log(1.6)))

    def random(count: int) -> torch.Tensor:
        return torch.as_tensor(rng.standard_normal((count, 3)), dtype=dtype)

    kind = rng.integers(4)
    if kind == 0:  # everything
        return random(n) * size * 0.6
    if kind == 1:  # a minimizer's long step
        return structure.forces * (size * 8 / max(float(structure.forces.norm()), 1e-6))
    moved = torch.zeros(n, 3, dtype=dtype)
    if kind == 2 or structure.edge_index.shape[1] == 0:  # a few atoms
        some = torch.from_numpy(rng.permutation(n)[: rng.integers(1, min(20, n) + 1)].copy())
        moved[some] = random(len(some)) * size
        return moved
    senders, receivers = structure.edge_index  # a few pairs pulled together
    pairs = torch.from_numpy(rng.integers(0, len(senders), rng.integers(1, 12)))
    images = 0.0 if structure.cell is None else structure.edge_shifts[pairs] @ structure.cell
    apart = structure.positions[senders[pairs]] + images - structure.positions[receivers[pairs]]
    share = torch.as_tensor(rng.uniform(0.3, 1.0, (len(pairs), 1)), dtype=dtype)
    return moved.index_add_(0, receivers[pairs], 0.9 * share * apart)
