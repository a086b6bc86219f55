"""The loss of a batch, and the weights of its parts."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.training.config import LossConfig, Weight
from openmm_polarmp.training.data.structure import Batch
from openmm_polarmp.training.disturbed_structures import energy_deficits
from openmm_polarmp.training.metrics import square_sums
from openmm_polarmp.training.predict import predict

PARTS = ("energy", "forces", "stress", "dipole", "born_charges", "disturbed")


def weight_at(weight: Weight, epoch: float) -> float:
    """The value of a schedule: linear between the epochs it names, constant outside."""
    if not isinstance(weight, dict):
        return float(weight)
    epochs = sorted(weight)
    return float(np.interp(epoch, epochs, [weight[e] for e in epochs]))


def weights_at(config: LossConfig, epoch: float) -> dict[str, float]:
    """All weights of an epoch."""
    return {name: weight_at(getattr(config, name), epoch) for name in PARTS}


class TrainingLoss(torch.nn.Module):
    """The loss of a batch as a module.

    A structure counts by its mean square errors, whatever its size; see `LossConfig` for the scale of each part.
    """

    def __init__(self, model: PolarMPModel, config: LossConfig) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(
        self, batch: Batch, weights: dict[str, float], seed: tuple[int, ...], divisor: float
    ) -> tuple[torch.Tensor, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
        """The sum of the structures' losses over ``divisor``, and the squared errors as of `square_sums`.

        Parameters
        ----------
        weights : dict
            Of each part, from `weights_at`.
        seed : tuple of int
            Seeds the random choices, together with each structure's number.
        divisor : float
            Structures in the whole batch, those of other processes included.
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
        factors = {"energy": sizes}
        if batch.cells is not None:
            factors["stress"] = 9 * torch.linalg.det(batch.cells).abs() ** 2 / sizes
        factors["dipole"] = 3.0
        total = torch.zeros_like(batch.energy)
        for name, (squares, counts) in sums.items():
            mean = squares / counts.clamp(min=1)
            total = total + weights[name] * factors.get(name, 1.0) * mean
        if weights["disturbed"] > 0:
            depth = energy_deficits(self.model, batch, [(*seed, s.number) for s in batch.structures])
            total = total + weights["disturbed"] * torch.log1p(depth)
        return (batch.weights.to(total) * total).sum() / divisor, sums

    def _born_atoms(self, batch: Batch, seed: tuple[int, ...]) -> torch.Tensor:
        chosen = [np.random.default_rng((*seed, s.number, 1)).integers(len(s)) for s in batch.structures]
        return torch.tensor(chosen, device=batch.positions.device)


def total_of(rmse: dict[str, float], sizes: float, volume: float, weights: dict[str, float]) -> float:
    """The loss that root mean square errors amount to, for structures of that many atoms and that volume."""
    factors = {"energy": sizes, "stress": 9 * volume**2 / sizes, "dipole": 3.0}
    return sum(weights[name] * factors.get(name, 1.0) * value**2 for name, value in rmse.items())


def needs(config: LossConfig) -> tuple[str, ...]:
    """The optional labels that ever have a weight."""
    used = []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        values = value.values() if isinstance(value, dict) else [value]
        if f.name in ("stress", "dipole", "born_charges") and any(v > 0 for v in values):
            used.append(f.name)
    return tuple(used)
