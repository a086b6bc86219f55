"""A reference potential with known charges: smeared ions that also repel each other, in boxes or as clusters."""

from __future__ import annotations

import ase
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy
from openmm_polarmp.neighbors import neighbor_pairs

CHARGES = {"Na": 1.0, "Cl": -1.0, "Li": 0.4, "F": -0.4}
DEPTH, LENGTH, RANGE = 5.0, 0.5, 5.0  # repulsion: eV at 2 A, A, cutoff in A


def ionic_frames(count: int, seed: int = 0, pairs: int = 8, box: float | None = 9.0, **options) -> list[ase.Atoms]:
    """Neutral frames of ``pairs`` cations and anions, at least 2.3 A apart, labelled with everything there is."""
    rng = np.random.default_rng(seed)
    return [_frame(rng, pairs, box, **options) for _ in range(count)]


def known_charges(frame: ase.Atoms) -> np.ndarray:
    """Charges of the atoms, e."""
    return np.array([CHARGES[symbol] for symbol in frame.symbols])


def _frame(rng: np.random.Generator, pairs: int, box: float | None, closest: float = 2.3) -> ase.Atoms:
    kinds = rng.integers(0, 2, pairs)
    symbols = [("Na", "Li")[k] for k in kinds] + [("Cl", "F")[k] for k in kinds]
    size = box or 2.6 * (2 * pairs) ** (1 / 3)
    positions: list[np.ndarray] = []
    while len(positions) < 2 * pairs:
        trial = rng.uniform(0, size, 3)
        apart = np.array(positions).reshape(-1, 3) - trial
        if box is not None:
            apart -= box * np.round(apart / box)
        if (np.linalg.norm(apart, axis=1) > closest).all():
            positions.append(trial)
    frame = ase.Atoms(symbols, positions, cell=None if box is None else [box] * 3, pbc=box is not None)
    frame.calc = SinglePointCalculator(frame, **_labels(frame))
    charges = known_charges(frame)
    frame.arrays["born_charges"] = (charges[:, None, None] * np.eye(3)).reshape(-1, 9)
    if box is None:
        frame.info["dipole"] = charges @ frame.positions
    return frame


def _labels(frame: ase.Atoms) -> dict:
    r = torch.tensor(frame.positions, requires_grad=True)
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    cell = torch.tensor(frame.cell.array) if frame.pbc.all() else None
    positions = r + r @ strain
    strained = None if cell is None else cell + cell @ strain
    q = Multipoles(torch.tensor(known_charges(frame)))
    energy = electrostatic_energy(positions, q, strained, accuracy=1e-10, method="direct" if cell is None else "ewald")
    index, shifts = neighbor_pairs(r.detach(), RANGE, cell)
    images = 0 if strained is None else shifts.double() @ strained
    distances = (positions[index[0]] + images - positions[index[1]]).norm(dim=1)
    # Goes to zero smoothly at the range.
    repulsion = DEPTH * torch.exp((2.0 - distances) / LENGTH) * (1 - (distances / RANGE) ** 2) ** 2
    total = energy.energy + repulsion.sum() / 2
    gradient, virial = torch.autograd.grad(total, [r, strain])
    labels = {"energy": total.item(), "forces": -gradient.numpy()}
    if cell is not None:
        labels["stress"] = (virial + virial.T).numpy() / 2 / frame.get_volume()
    return labels
