"""Conductors and insulators with exact answers: the reference of `make_frames.py`.

The charges of all atoms that have a hardness equalize one potential and take up the total charge (theory.md section 9); the
others keep their charges. All interact as smeared charges and repel each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
import torch

from openmm_polarmp.electrostatics import Multipoles, Mutual, TotalCharge, electrostatic_energy
from openmm_polarmp.models.limits import OWN_CHARGE

METAL = "Au"


@dataclass(frozen=True)
class Element:
    """What the reference assumes of an element.

    Attributes
    ----------
    charge : float
        e; that of an atom which no potential acts on.
    hardness : float or None
        eV/e^2, on top of the own energy of the smeared charge; None: the charge does not change.
    radius : float
        A; half of the contact distance of two such atoms.
    """

    charge: float
    hardness: float | None
    radius: float


ELEMENTS = {
    METAL: Element(0.0, 1.0, 1.4),
    "Na": Element(0.4, 8.0, 1.4),
    "Cl": Element(-0.4, 8.0, 1.4),
    "Mg": Element(1.0, 8.0, 0.8),
    "O": Element(-1.0, 8.0, 1.3),
}
DEPTH, LENGTH, RANGE = 0.5, 0.35, 4.0  # repulsion: eV at the contact distance, decay and cutoff in A


@dataclass
class Answer:
    """What the reference says of one structure.

    Attributes
    ----------
    energy : float
        eV.
    forces : array [N, 3]
        eV/A.
    charges : array [N]
        e.
    """

    energy: float
    forces: np.ndarray
    charges: np.ndarray


def solve(atoms: ase.Atoms, total_charge: float) -> Answer:
    """Energy, forces and the charges that minimize the energy."""
    elements = [ELEMENTS[symbol] for symbol in atoms.get_chemical_symbols()]
    positions = torch.tensor(atoms.positions, requires_grad=True)
    cell = torch.tensor(atoms.cell.array) if atoms.pbc.all() else None
    fixed = torch.tensor([element.charge for element in elements], dtype=torch.float64)
    softness = [0.0 if e.hardness is None else 1 / (OWN_CHARGE + e.hardness) for e in elements]
    result = electrostatic_energy(
        positions,
        Multipoles(fixed, softness=torch.tensor(softness, dtype=torch.float64)),
        cell,
        mutual=Mutual(1e-10),
        total_charge=TotalCharge(torch.tensor([float(total_charge)], dtype=torch.float64)),
    )
    charges = fixed + result.induced_charges
    energy = result.energy + repulsion(positions, cell, [element.radius for element in elements])
    (gradient,) = torch.autograd.grad(energy, positions, retain_graph=True)
    return Answer(energy.item(), -gradient.numpy(), charges.detach().numpy())


def repulsion(positions: torch.Tensor, cell: torch.Tensor | None, radii: list[float]) -> torch.Tensor:
    """Exponential repulsion of all pairs, eV, which ends smoothly at its range; the box is rectangular."""
    i, j = torch.triu_indices(len(positions), len(positions), 1)
    vectors = positions[i] - positions[j]
    if cell is not None:
        edges = cell.diagonal()
        vectors = vectors - edges * (vectors / edges).round()
    distances = vectors.norm(dim=1)
    contact = torch.tensor(radii, dtype=torch.float64)
    smooth = (1 - (distances / RANGE).clamp(max=1) ** 2) ** 2
    return (DEPTH * torch.exp((contact[i] + contact[j] - distances) / LENGTH) * smooth).sum()
