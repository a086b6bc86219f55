"""Sums of squared errors over structures, and their units."""

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
    "molecule_charges": ("e", 1.0),
}
"""Unit of each printed error, and the factor from eV, A, e."""

NAMES = ("energy", "forces", "stress", "dipole", "born_charges", "molecule_charges")
"""Labels whose errors are logged in training."""


def square_sums(prediction: Prediction, batch: Batch) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """For each label the sum of the squared errors in each structure, [B], and their number, [B]."""
    sums = {}
    sizes = batch.sizes.to(batch.energy.dtype)
    per_atom = (prediction.energy - batch.energy) / sizes
    weights = batch.energy_weights()
    sums["energy"] = weights * per_atom**2, weights
    sums["forces"] = batch.per_structure((prediction.forces - batch.forces) ** 2).sum(1), 3 * sizes
    if prediction.stress is not None:
        label, present = batch.label("stress")
        sums["stress"] = ((prediction.stress - label) ** 2).sum((1, 2)) * present, 9 * present
    if prediction.dipole is not None:
        label, present = batch.label("dipole")
        present = present & ~batch.periodic
        sums["dipole"] = ((prediction.dipole - label) ** 2).sum(1) * present, 3 * present
    if prediction.born_charges is not None and prediction.born_atoms is not None:
        label, present = batch.label("born_charges")
        known = (prediction.born_atoms & present[batch.batch]).to(label.dtype)
        squares = ((prediction.born_charges - label) ** 2).sum((1, 2)) * known
        sums["born_charges"] = batch.per_structure(squares), 9 * batch.per_structure(known)
    label, value, structures = molecule_charges(prediction, batch)
    if len(label):
        zeros = label.new_zeros(len(batch.structures))
        counts = zeros.index_add(0, structures, torch.ones_like(label))
        sums["molecule_charges"] = zeros.index_add(0, structures, (value - label) ** 2), counts
    return sums


def molecule_charges(prediction: Prediction, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Charge of each molecule [M] as labelled and as predicted before the total charge is imposed, e; its structure [M]."""
    molecules, structures, label = batch.molecules()
    known = molecules >= 0
    value = torch.zeros_like(label).index_add(0, molecules[known], prediction.raw_charges[known].to(label.dtype))
    return label, value, structures


class ErrorSums:
    """Running sums of squared errors, which can be added over processes and parts of an epoch."""

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
        """Root mean square errors in eV, A, e of the labels that the structures have."""
        return {
            name: math.sqrt(square / count)
            for name, square, count in zip(NAMES, *self.values.tolist(), strict=True)
            if count > 0
        }
