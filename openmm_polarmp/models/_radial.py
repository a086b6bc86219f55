"""Radial functions that end smoothly at the cutoff."""

from __future__ import annotations

import math

import torch

from openmm_polarmp.models._constants import ExactConstants


def smooth_cutoff(x: torch.Tensor, p: int = 6) -> torch.Tensor:
    """Polynomial that falls from 1 at x = 0 to 0 at x = 1, where its first and second derivatives vanish."""
    xp = x**p
    value = 1 - 0.5 * (p + 1) * (p + 2) * xp + p * (p + 2) * xp * x - 0.5 * p * (p + 1) * xp * x * x
    return torch.where(x < 1, value, torch.zeros_like(value))


class RadialBasis(ExactConstants):
    """Spherical Bessel functions sin(n pi d / cutoff) / d times the smooth cutoff, scaled to a mean square near one."""

    frequencies: torch.Tensor

    def __init__(self, cutoff: float, n_radial: int) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.constant("frequencies", math.pi / cutoff * torch.arange(1, n_radial + 1, dtype=torch.float64))

    def forward(self, distances: torch.Tensor) -> torch.Tensor:
        """Functions [..., n_radial] of distances [...] in A."""
        # The average of (sin / d)^2 over the sphere of the cutoff is 3 / (2 cutoff^2).
        envelope = smooth_cutoff(distances / self.cutoff) * (self.cutoff * math.sqrt(2.0 / 3.0)) / distances
        return torch.sin(distances[..., None] * self.frequencies) * envelope[..., None]
