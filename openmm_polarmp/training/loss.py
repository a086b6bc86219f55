"""The loss of a batch, and the weights of its parts."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.training.config import PARTS, LossConfig, Weight
from openmm_polarmp.training.data.structure import Batch
from openmm_polarmp.training.disturbed_structures import energy_deficits
from openmm_polarmp.training.metrics import square_sums
from openmm_polarmp.training.predict import predict


def weight_at(weight: Weight, epoch: float) -> float:
    """Value of a schedule at an epoch: linear between the epochs it names, constant outside."""
    if not isinstance(weight, dict):
        return float(weight)
    epochs = sorted(weight)
    return float(np.interp(epoch, epochs, [weight[e] for e in epochs]))


def weights_at(config: LossConfig, epoch: float) -> dict[str, float]:
    """Values of all weights at an epoch."""
    return {name: weight_at(getattr(config, name), epoch) for name in PARTS}


class TrainingLoss(torch.nn.Module):
    """The loss of a batch: each structure counts by its mean square errors, whatever its size.

    Parameters
    ----------
    model : PolarMPModel
        The model to train.
    config : LossConfig
        Its docstring has the scale of each part.
    """

    def __init__(self, model: PolarMPModel, config: LossConfig) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(
        self, batch: Batch, weights: dict[str, float], seed: tuple[int, ...], divisor: float
    ) -> tuple[torch.Tensor, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
        """Sum of the structures' losses divided by ``divisor``, and the squared errors from `square_sums`.

        Parameters
        ----------
        batch : Batch
            Structures with labels.
        weights : dict
            Weight of each part, from `weights_at`.
        seed : tuple of int
            Seeds the random choices, together with each structure's number.
        divisor : float
            Number of structures that the loss is averaged over.
        """
        born_of = self._born_atoms(batch, seed) if weights["born_charges"] > 0 else None
        prediction = predict(
            self.model,
            batch,
            stress=weights["stress"] > 0,
            dipole=weights["dipole"] > 0,
            born_of=born_of,
            eps_inf=self.config.eps_inf,
            train=True,
        )
        sums = square_sums(prediction, batch)
        sizes = batch.sizes.to(batch.energy)
        factors: dict[str, torch.Tensor | float] = {"energy": sizes}
        if batch.cells is not None:
            factors["stress"] = 9 * torch.linalg.det(batch.cells).abs() ** 2 / sizes
        factors["dipole"] = 3.0
        total = torch.zeros_like(batch.energy)
        for name, (squares, counts) in sums.items():
            mean = squares / counts.clamp(min=1)
            total = total + weights[name] * factors.get(name, 1.0) * mean
        if self.config.linear_from is not None:
            total = linear_beyond(total, self.config.linear_from)
        if weights["disturbed"] > 0:
            depth = energy_deficits(self.model, batch, [(*seed, s.number) for s in batch.structures])
            total = total + weights["disturbed"] * torch.log1p(depth)
        return (batch.weights.to(total) * total).sum() / divisor, sums

    def _born_atoms(self, batch: Batch, seed: tuple[int, ...]) -> torch.Tensor:
        """A random atom of each structure, [B]."""
        chosen = [np.random.default_rng((*seed, s.number, 1)).integers(len(s)) for s in batch.structures]
        return torch.tensor(chosen, device=batch.positions.device)


def linear_beyond(squares: torch.Tensor, scale: float) -> torch.Tensor:
    """``squares`` where they are small beside ``scale**2``; beyond, they grow like the error and not like its square."""
    return 2 * scale * squares / ((squares + scale**2).sqrt() + scale)  # the difference of the roots would lose digits


def total_of(rmse: dict[str, float], sizes: float, volume: float, weights: dict[str, float]) -> float:
    """Loss that corresponds to root mean square errors, for structures of this number of atoms and this volume (A^3)."""
    factors = {"energy": sizes, "stress": 9 * volume**2 / sizes, "dipole": 3.0}
    return sum(weights[name] * factors.get(name, 1.0) * value**2 for name, value in rmse.items())


def optional_labels(config: LossConfig) -> tuple[str, ...]:
    """The labels besides energy and forces that have a weight in some epoch."""
    used = []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        values = value.values() if isinstance(value, dict) else [value]
        if f.name in ("stress", "dipole", "born_charges", "molecule_charges") and any(v > 0 for v in values):
            used.append(f.name)
    return tuple(used)
