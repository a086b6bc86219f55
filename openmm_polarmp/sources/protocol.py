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
    local_charges, flow_polarizability : Tensor [N]
        Take, with the moments, the charges q0 before neighbours exchange some (e), and the isotropic polarizability by which
        they exchange more, each pair's f_ij d_ij^2 / 3 at any of its atoms (e^2 A^2/eV). Like all that follow they are for
        sources with ``has_flows``.
    flow_potential : Tensor [N]
        Holds Phi' (V) when ``flow`` is called.
    flow_charges, flow_energies : Tensor [N]
        Take from ``flow`` the charge that each atom has gained, sum_j p_ij (e), and the energies (eV) of the pairs at any of their
        atoms, p_ij drop_ij / 2 - E.d_ij t_ij, where p_ij = -f_ij drop_ij and drop_ij = Phi'_i - Phi'_j - E.d_ij.
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
    local_charges: torch.Tensor
    flow_polarizability: torch.Tensor
    flow_potential: torch.Tensor
    flow_charges: torch.Tensor
    flow_energies: torch.Tensor


def check_no_flows(has_flows: bool) -> None:
    """Raise ValueError for a model whose charge flows between neighbours, of which a TorchScript module cannot tell."""
    if has_flows:
        raise ValueError(
            "in this model charge flows between neighbours (charges: flow, or a rung with c), which a TorchScript module cannot "
            "return; PolarMPForce and MLPotential take the model file itself"
        )


class MomentFlags:
    """Which optional moments a source gives, from the names in its ``moments``, and whether its charges flow.

    Attributes
    ----------
    has_flows : bool
        Neighbours exchange charge: evaluations have ``flow(field, responds)``, called between ``forward`` and ``backward`` (the
        latent field in V/A, and whether charge flows in response to potentials), and ``pair_flows()``, the pairs as NumPy arrays.
    has_conductance : bool
        They do so in response to potentials.
    """

    moments: Collection[str]
    has_flows: bool = False
    has_conductance: bool = False

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
