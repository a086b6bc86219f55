"""Heads of pairs: the charge that neighbours exchange, and how well charge flows between them (theory.md section 8).

Both are of low rank in what the two atoms are, so that a pair costs a few products of numbers that every atom has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from openmm_polarmp.electrostatics.flows import Flows
from openmm_polarmp.models._radial import RadialBasis
from openmm_polarmp.models.heads import UNIT_SOFTPLUS, bounded
from openmm_polarmp.models.initial_flows import BOND_CONDUCTANCE, bond_shape, bond_transfers
from openmm_polarmp.neighbors.table import NeighborTable, from_senders

# Units of the heads, and what no pair exceeds, as in heads.py.
TRANSFER = 0.2  # e
CONDUCTANCE = 0.003  # e^2/eV
LARGEST_TRANSFER = 1.0  # e
LARGEST_CONDUCTANCE = 0.1  # e^2/eV


class EdgeHeads(torch.nn.Module):
    """Charge transfers and conductances of the pairs in a table.

    With the radial functions B_n, which end smoothly at the cutoff, and numbers u, v, s that every atom has,

        t_ij = sum_n B_n(r) (u_n(i) v_n(j) - u_n(j) v_n(i)) + sum_n (C_n(z_i, z_j) - C_n(z_j, z_i)) B_n(r)
        f_ij = ( sum_n (W_n(z_i, z_j) + W_n(z_j, z_i)) B_n(r) )^2 s_i s_j

    Parameters
    ----------
    transfers, conducts : bool
        Whether there are t and f.
    species : sequence of int
        Atomic numbers of the kinds of atoms.
    formal_charges : sequence of float, optional
        Charges of the kinds without transfers, e; None: the network predicts them.
    hidden : int
        Width of the atoms' hidden layer.
    basis : RadialBasis
        The radial functions.
    """

    def __init__(
        self,
        transfers: bool,
        conducts: bool,
        species: Sequence[int],
        formal_charges: Sequence[float] | None,
        hidden: int,
        basis: RadialBasis,
    ) -> None:
        super().__init__()
        self.n_radial = len(basis.frequencies)
        self.atoms = torch.nn.Linear(hidden, 2 * self.n_radial * transfers + conducts)
        self.species_transfer = self.species_conductance = None
        # Both are (anti)symmetrized: half in either direction.
        shape = bond_shape(species, basis).to(self.atoms.weight) / 2
        if transfers:
            bonds = bond_transfers(species, formal_charges).to(shape)
            self.species_transfer = torch.nn.Parameter(bonds[..., None] / TRANSFER * shape)
        if conducts:
            self.species_conductance = torch.nn.Parameter(math.sqrt(BOND_CONDUCTANCE / CONDUCTANCE) * shape)
        with torch.no_grad():  # u = 0 and s = 1: nothing else at first
            for parameter in self.atoms.parameters():
                parameter[: self.n_radial * transfers] = 0
                parameter[2 * self.n_radial * transfers :] = 0

    def forward(
        self,
        hidden: torch.Tensor,
        local_charges: torch.Tensor,
        radial: torch.Tensor,
        kind: torch.Tensor,
        kinds: torch.Tensor,
        vectors: torch.Tensor,
        table: NeighborTable,
    ) -> tuple[torch.Tensor, Flows]:
        """Charges [N] with the transfers, and the flows: each pair twice, from both of its atoms, with half of its values.

        Parameters
        ----------
        hidden : Tensor [N, hidden]
            Hidden layer of the atoms' heads.
        local_charges : Tensor [N]
            Charges before the transfers, e.
        radial : Tensor [N, K, n_radial]
            Radial functions of each place in the table; zero in empty places.
        kind, kinds : Tensor [N], [N, K]
            Kinds of the receivers, and of the senders.
        vectors : Tensor [N, K, 3]
            r_j - r_i of each place, A.
        table : NeighborTable
        """
        of_atoms = self.atoms(hidden)
        at_senders = from_senders(of_atoms, table)
        receivers = of_atoms[:, None]
        n = self.n_radial
        transfer = radial.new_zeros(radial.shape[:2])
        if self.species_transfer is not None:
            u, v = slice(0, n), slice(n, 2 * n)
            mixed = receivers[..., u] * at_senders[..., v] - at_senders[..., u] * receivers[..., v]
            by_species = self.species_transfer - self.species_transfer.transpose(0, 1)
            transfer = (radial * (mixed + by_species[kind[:, None], kinds])).sum(2)
            transfer = bounded(TRANSFER * transfer.flatten(), LARGEST_TRANSFER).view_as(transfer)
        conductance = None
        if self.species_conductance is not None:
            by_species = self.species_conductance + self.species_conductance.transpose(0, 1)
            root = (radial * by_species[kind[:, None], kinds]).sum(2)
            soft = torch.nn.functional.softplus(of_atoms[:, -1] + UNIT_SOFTPLUS)
            soft_senders = torch.nn.functional.softplus(at_senders[..., -1] + UNIT_SOFTPLUS)
            conductance = CONDUCTANCE * root.square() * soft[:, None] * soft_senders
            conductance = bounded(conductance.flatten(), LARGEST_CONDUCTANCE)
        atoms = torch.arange(table.senders.shape[0], device=table.senders.device)[:, None].expand_as(table.senders)
        flows = Flows(
            torch.stack([atoms.flatten(), table.senders.flatten()]),
            -vectors.flatten(0, 1),
            transfer.flatten() / 2,
            local_charges,
            None if conductance is None else conductance / 2,
        )
        return local_charges + transfer.sum(1), flows

    @torch.no_grad()
    def flip_signs(self) -> None:
        """Reverse every transfer: energies and forces stay the same if all other permanent moments are reversed too."""
        if self.species_transfer is not None:
            self.atoms.weight[: self.n_radial] *= -1
            self.atoms.bias[: self.n_radial] *= -1
            self.species_transfer.mul_(-1)
