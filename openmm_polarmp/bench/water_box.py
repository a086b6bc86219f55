"""The box of water that all benchmarks measure, with fixed moments of the size that water models have."""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm
import torch
from numpy.typing import NDArray

from openmm_polarmp import FixedMultipoles
from openmm_polarmp.bench.timing import HEAVY
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.units import ANGSTROM_PER_NM

MOLECULES_PER_VOLUME = 0.0334  # 1/A^3, water at 25 C
CHARGES = {8: -0.6, 1: 0.3}  # e; latent ones of a water model


def water_box(n_atoms: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Molecules of random orientation on a lattice with random displacements.

    Parameters
    ----------
    n_atoms : int
        Rounded to whole molecules.
    seed : int
        Of the random numbers.

    Returns
    -------
    positions : Tensor [N, 3]
        A.
    species : Tensor [N]
        Atomic numbers.
    cell : Tensor [3, 3]
        Box vectors, A.
    """
    n_molecules = max(1, round(n_atoms / 3))
    generator = torch.Generator().manual_seed(seed)
    side = (n_molecules / MOLECULES_PER_VOLUME) ** (1 / 3)
    per_side = 1
    while per_side**3 < n_molecules:
        per_side += 1
    grid = torch.cartesian_prod(*(torch.arange(per_side, dtype=torch.float64),) * 3)
    # The lattice points that stay empty are spread over the box, not all on one side.
    grid = grid[torch.randperm(len(grid), generator=generator)[:n_molecules].sort().values]
    oxygens = (grid + 0.1 * torch.rand(grid.shape, generator=generator, dtype=torch.float64)) * side / per_side
    random = torch.randn(n_molecules, 3, 2, generator=generator, dtype=torch.float64)
    first, second = torch.linalg.qr(random)[0].unbind(2)
    half = torch.deg2rad(torch.tensor(104.5 / 2, dtype=torch.float64))
    along, across = 0.9572 * torch.cos(half) * first, 0.9572 * torch.sin(half) * second
    positions = torch.stack([oxygens, oxygens + along + across, oxygens + along - across], dim=1).flatten(0, 1)
    return positions, torch.tensor([8, 1, 1] * n_molecules), side * torch.eye(3, dtype=torch.float64)


def water_box_nm(n_atoms: int) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
    """`water_box` for OpenMM: positions (nm), atomic numbers and edge (nm)."""
    positions, species, cell = water_box(n_atoms)
    return positions.numpy() / ANGSTROM_PER_NM, species.numpy(), float(cell[0, 0]) / ANGSTROM_PER_NM


def fixed_moments(species: NDArray[np.int64], rung: str, seed: int = 0) -> FixedMultipoles:
    """Moments and response coefficients of a rung, random around those of water, in model units."""
    rng, n = np.random.default_rng(seed), len(species)
    oxygen = species == 8
    quadrupoles = rng.normal(0, 0.15, (n, 3, 3))
    quadrupoles = quadrupoles + quadrupoles.transpose(0, 2, 1)
    quadrupoles -= np.trace(quadrupoles, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
    return FixedMultipoles(
        charges=np.where(oxygen, CHARGES[8], CHARGES[1]),
        dipoles=rng.normal(0, 0.1, (n, 3)) if "u" in rung else None,
        quadrupoles=quadrupoles if "Q" in rung else None,
        softness=np.where(oxygen, 0.002, 0.001) if "k" in rung else None,
        polarizability=np.where(oxygen, 0.05, 0.015) if "a" in rung else None,
    )


def water_multipoles(
    n_atoms: int, rung: str, *, dtype: torch.dtype = torch.float64, device: str = "cpu"
) -> tuple[torch.Tensor, Multipoles, torch.Tensor]:
    """Positions (A), multipoles and box vectors (A) in torch; positions and multipoles require gradients."""
    positions, species, cell = water_box(n_atoms)
    members = fixed_moments(species.numpy(), rung).members()
    tensors: dict[str, Any] = {
        name: torch.tensor(x, dtype=dtype, device=device, requires_grad=True) for name, x in members.items()
    }
    return positions.to(device, dtype).requires_grad_(), Multipoles(**tensors), cell.to(device, dtype)


def empty_system(n_atoms: int, edge: float) -> openmm.System:
    """Particles that hardly move, without a force, in a cubic box of this edge in nm."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge))
    for _ in range(n_atoms):
        system.addParticle(HEAVY)
    return system
