"""A conductor beside an insulator with an exact answer: the reference of `make_frames.py`.

The metal's charges equalize one potential over all of its atoms, with one hardness (theory.md section 9); they take up the
total charge. The insulator's ions keep their charges. Both interact as smeared charges, and all atoms repel each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
import torch

from openmm_polarmp.electrostatics import Multipoles, Mutual, TotalCharge, electrostatic_energy
from openmm_polarmp.models.limits import OWN_CHARGE

METAL = "Au"
ION_CHARGES = {"Na": 0.5, "Cl": -0.5}  # e
HARDNESS = 1.0  # eV/e^2 of a metal atom, on top of the own energy of its smeared charge
DEPTH, CONTACT, LENGTH, RANGE = 0.5, 2.8, 0.35, 4.5  # repulsion: eV at the contact distance in A, decay and cutoff in A


@dataclass
class Answer:
    """What the reference says of one cluster.

    Attributes
    ----------
    energy : float
        eV.
    forces : array [N, 3]
        eV/A.
    charges : array [N]
        e.
    dipole : array [3]
        e A.
    born_charges : array [N, 3, 3]
        e; rows are polarization, columns displacement.
    """

    energy: float
    forces: np.ndarray
    charges: np.ndarray
    dipole: np.ndarray
    born_charges: np.ndarray


def solve(atoms: ase.Atoms, total_charge: float) -> Answer:
    """Energy, forces and the charges that minimize the energy; the tests compare them with a dense matrix."""
    symbols = np.array(atoms.get_chemical_symbols())
    positions = torch.tensor(atoms.positions, requires_grad=True)
    fixed = torch.tensor([ION_CHARGES.get(symbol, 0.0) for symbol in symbols], dtype=torch.float64)
    softness = torch.tensor(symbols == METAL, dtype=torch.float64) / (OWN_CHARGE + HARDNESS)
    result = electrostatic_energy(
        positions,
        Multipoles(fixed, softness=softness),
        mutual=Mutual(1e-10),
        total_charge=TotalCharge(torch.tensor([float(total_charge)], dtype=torch.float64)),
    )
    charges = fixed + result.induced_charges
    energy = result.energy + repulsion(positions)
    (gradient,) = torch.autograd.grad(energy, positions, retain_graph=True)
    dipole = charges @ positions
    born = torch.stack([torch.autograd.grad(dipole[a], positions, retain_graph=True)[0] for a in range(3)], 1)
    return Answer(energy.item(), -gradient.numpy(), charges.detach().numpy(), dipole.detach().numpy(), born.numpy())


def repulsion(positions: torch.Tensor) -> torch.Tensor:
    """Exponential repulsion of all pairs, eV, which ends smoothly at its range."""
    i, j = torch.triu_indices(len(positions), len(positions), 1)
    distances = (positions[i] - positions[j]).norm(dim=1)
    smooth = (1 - (distances / RANGE).clamp(max=1) ** 2) ** 2
    return (DEPTH * torch.exp((CONTACT - distances) / LENGTH) * smooth).sum()
