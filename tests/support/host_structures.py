"""Molecules and boxes for tests of networks of other projects."""

from __future__ import annotations

from typing import Any

import ase
import numpy as np
import torch
from ase.build import molecule

from openmm_polarmp.models import PolarMPModel


def cluster() -> ase.Atoms:
    """Molecules with the elements H, C, N, O, F, P, S and Cl, some in contact and some not."""
    atoms = molecule("CH3CONH2")
    for name, place in (("PH3", (4, 0, 0)), ("SH2", (0, 5, 0)), ("HCl", (0, -5, 0)), ("HCF3", (0, 0, -4))):
        other = molecule(name)
        other.translate(place)
        atoms += other
    atoms.rattle(0.05, seed=1)
    return atoms


def box(molecules: int = 2) -> ase.Atoms:
    """Water in a skewed box much smaller than twice a cutoff."""
    random = np.random.default_rng(0)
    atoms = ase.Atoms(cell=[[3.2 * molecules, 0, 0], [0.9, 3.3, 0], [-0.4, 0.7, 3.4]], pbc=True)
    for i in range(molecules):
        water = molecule("H2O")
        water.rotate(random.uniform(0, 360), random.normal(size=3))
        water.translate([3.2 * i, 0, 0])
        atoms += water
    return atoms


def ion() -> ase.Atoms:
    """Formate."""
    atoms = molecule("HCOOH")[:4]
    atoms.rattle(0.05, seed=2)
    return atoms


def arguments(atoms: ase.Atoms) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Positions (a leaf), atomic numbers and box vectors in float64."""
    positions = torch.tensor(atoms.positions, requires_grad=True)
    return positions, torch.tensor(atoms.numbers), torch.tensor(np.array(atoms.cell)) if atoms.pbc.all() else None


def short_range(model: PolarMPModel, atoms: ase.Atoms, **state: Any) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy without electrostatics (eV), its forces (eV/A), and charges (e)."""
    leaf, *others = arguments(atoms)
    energies, multipoles = model.multipoles(leaf, *others, **state)
    (slope,) = torch.autograd.grad(energies.sum(), leaf)
    return energies.sum().item(), -slope.numpy(), multipoles.charges.detach().numpy()
