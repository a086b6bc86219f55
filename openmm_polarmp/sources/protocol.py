"""What the plugin gives to a source of moments in Python, and what it asks it about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class Buffers(Protocol):
    """A platform's memory as tensors, in the model's units (A, e, eV) and the order of the force's particles.

    Attributes
    ----------
    periodic : bool
    particles : sequence of int
        The System's index of each atom.
    positions : Tensor [N, 3]
    cell : Tensor [3, 3]
        Box vectors, always on the CPU and in double precision; of no meaning for a cluster.
    energy : Tensor [1]
        Takes the short-range energy.
    charges, dipoles, quadrupoles, softness, polarizability : Tensor [N], [N, 3], [N, 3, 3], [N], [N, 3, 3]
        Take the moments.
    charge_gradients, dipole_gradients, quadrupole_gradients, softness_gradients, polarizability_gradients : Tensor
        Hold the derivatives of the electrostatic energy with respect to the moments.
    forces : Tensor [N, 3]
        Take the forces.
    """

    periodic: bool
    particles: Sequence[int]
    positions: torch.Tensor
    cell: torch.Tensor
    energy: torch.Tensor
    charges: torch.Tensor
    dipoles: torch.Tensor
    quadrupoles: torch.Tensor
    softness: torch.Tensor
    polarizability: torch.Tensor
    charge_gradients: torch.Tensor
    dipole_gradients: torch.Tensor
    quadrupole_gradients: torch.Tensor
    softness_gradients: torch.Tensor
    polarizability_gradients: torch.Tensor
    forces: torch.Tensor


def check_no_flows(has_flows: bool) -> None:
    """Raise ValueError for a model whose charge flows between neighbours, which the force cannot evaluate."""
    if has_flows:
        raise ValueError(
            "in this model charge flows between neighbours (charges: flow, or a rung with c), which PolarMPForce cannot "
            "evaluate; PolarMPModel.evaluate can, and polarmp evaluate"
        )


def check_direct(mutual: bool) -> None:
    """Raise ValueError for a model with self-consistent response, which the force cannot evaluate."""
    if mutual:
        raise ValueError(
            "the response of this model is self-consistent (response: mutual, or rung qeq), which PolarMPForce cannot evaluate; "
            "PolarMPModel.evaluate can, and polarmp evaluate"
        )


class MomentFlags:
    """Which optional moments a source gives, from the names in its ``moments``."""

    moments: Collection[str]

    @property
    def has_dipoles(self) -> bool:
        """Whether the source gives dipoles."""
        return "dipoles" in self.moments

    @property
    def has_quadrupoles(self) -> bool:
        """Whether the source gives quadrupoles."""
        return "quadrupoles" in self.moments

    @property
    def has_softness(self) -> bool:
        """Whether the source gives softness (induced charges)."""
        return "softness" in self.moments

    @property
    def has_polarizability(self) -> bool:
        """Whether the source gives polarizabilities (induced dipoles)."""
        return "polarizability" in self.moments
