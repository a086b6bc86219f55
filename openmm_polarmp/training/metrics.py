"""Sums of squared errors over structures, and what is told of them."""

from __future__ import annotations

import math

import torch

from openmm_polarmp.training.data.structure import Batch
from openmm_polarmp.training.predict import Prediction
from openmm_polarmp.units import COULOMB

UNITS = {
    "energy": ("meV/atom", 1e3),
    "forces": ("meV/A", 1e3),
    "stress": ("meV/A^3", 1e3),
    "dipole": ("e A", 1.0),
    "born_charges": ("e", 1.0),
    "polarizability": ("A^3", COULOMB),
}
"""Of what is printed, and the factor from eV, A, e."""

NAMES = ("energy", "forces", "stress", "dipole", "born_charges")
"""What training watches."""


def square_sums(prediction: Prediction, batch: Batch) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """For each label: [B] sum of the squared errors in each structure, and [B] how many they are."""
    found = {}
    sizes = batch.sizes.to(batch.energy.dtype)
    per_atom = (prediction.energy - batch.energy) / sizes
    found["energy"] = per_atom**2, torch.ones_like(per_atom)
    found["forces"] = batch.per_structure((prediction.forces - batch.forces) ** 2).sum(1), 3 * sizes
    if prediction.stress is not None:
        label, present = batch.label("stress")
        found["stress"] = ((prediction.stress - label) ** 2).sum((1, 2)) * present, 9 * present
    if prediction.dipole is not None:
        label, present = batch.label("dipole")
        present = present & ~batch.periodic
        found["dipole"] = ((prediction.dipole - label) ** 2).sum(1) * present, 3 * present
    if prediction.born_charges is not None:
        label, present = batch.label("born_charges")
        known = (prediction.born_atoms & present[batch.batch]).to(label.dtype)
        squares = ((prediction.born_charges - label) ** 2).sum((1, 2)) * known
        found["born_charges"] = batch.per_structure(squares), 9 * batch.per_structure(known)
    return found


class ErrorSums:
    """Running sums of squared errors; those of several processes or epochs' parts add up."""

    def __init__(self, values: list[float] | None = None) -> None:
        self.values = torch.zeros(2, len(NAMES), dtype=torch.float64)
        if values is not None:
            self.values += torch.tensor(values, dtype=torch.float64).view(2, -1)

    def add(self, sums: dict[str, tuple[torch.Tensor, torch.Tensor]], weights: torch.Tensor) -> None:
        """Add the structures of a batch, those with weight zero left out."""
        for name, (squares, counts) in sums.items():
            column = NAMES.index(name)
            used = weights > 0
            self.values[0, column] += float(squares.detach().double()[used].sum())
            self.values[1, column] += float(counts.double()[used].sum())

    def rmse(self) -> dict[str, float]:
        """Root mean square errors in eV, A, e of the labels that were there."""
        return {
            name: math.sqrt(square / count)
            for name, square, count in zip(NAMES, *self.values.tolist(), strict=True)
            if count > 0
        }

    def state(self) -> list[float]:
        """Plain numbers for a checkpoint."""
        return self.values.flatten().tolist()
