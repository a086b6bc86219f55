"""Potential, field and its gradient at an atom as inputs of its heads: the fixed point of theory.md section 9."""

from __future__ import annotations

from collections.abc import Callable

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.potentials import Potentials

PotentialsOf = Callable[[Multipoles], Potentials]
"""What the atoms feel of each other's multipoles; differentiable."""

# Units, and the sizes beyond which the inputs grow no more: atoms that nearly touch feel far more than those of any data.
POTENTIAL, FIELD, CURVATURE = 3.0, 1.0, 1.0  # V, V/A, V/A^2
LARGEST = 5.0  # units


class PotentialInputs(torch.nn.Module):
    """What potentials add to the hidden layer of an atom's heads.

    An untrained network does not depend on them: the weights begin at zero.

    Parameters
    ----------
    hidden : int
        Width of the heads.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, hidden, bias=False)
        torch.nn.init.zeros_(self.linear.weight)

    def forward(self, felt: Potentials) -> torch.Tensor:
        """[N, hidden] of the potential and the sizes of field and curvature."""
        assert felt.curvature is not None
        scalars = [
            felt.potential / POTENTIAL,
            felt.gradient.square().sum(1) / FIELD**2,
            felt.curvature.square().sum((1, 2)) / CURVATURE**2,
        ]
        return self.linear(torch.stack([limited(x) for x in scalars], 1).to(self.linear.weight.dtype))


def limited(value: torch.Tensor) -> torch.Tensor:
    """Scalars [N], vectors [N, 3] or tensors [N, 3, 3] in their units, none longer than `LARGEST`."""
    squares = (value / LARGEST) ** 2
    if value.dim() > 1:
        squares = squares.flatten(1).sum(1).view(-1, *[1] * (value.dim() - 1))
    return value * torch.rsqrt(1 + squares)
