"""Charge that neighbours exchange: permanent transfers, and flows that potentials induce (theory.md section 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Flows:
    """Pairs of neighbours with the charge between them.

    Everything is linear in ``charges`` and ``conductance``: a pair that stands there twice counts as the sum of both, and
    (j, i) with the opposite vector and charge is the same as (i, j).

    Parameters
    ----------
    pairs : [2, P] of int64
        Atoms i and j.
    vectors : [P, 3]
        d_ij = r_i - r_j in A, between the images that are meant; differentiable.
    charges : [P]
        t_ij in e: what j has given to i. It is part of the charges of `Multipoles` already.
    local_charges : [N]
        q0_i in e: the charges before the transfers, so that q_i = q0_i + sum_j t_ij.
    conductance : [P], optional
        f_ij >= 0 in e^2/eV: the charge that flows from j to i is f_ij times the potential at j above that at i.
    """

    pairs: Tensor
    vectors: Tensor
    charges: Tensor
    local_charges: Tensor
    conductance: Tensor | None = None

    def __post_init__(self) -> None:
        if self.pairs.dim() != 2 or self.pairs.shape[0] != 2 or self.pairs.dtype != torch.int64:
            got = list(self.pairs.shape)
            raise ValueError(f"pairs of flows is {self.pairs.dtype} of shape {got}; int64 of shape [2, P] is accepted")
        n_pairs = self.pairs.shape[1]
        shapes = {"vectors": (n_pairs, 3), "charges": (n_pairs,), "conductance": (n_pairs,)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ValueError(f"{name} of flows has shape {list(value.shape)}; {list(shape)} is accepted")
        if self.local_charges.dim() != 1:
            raise ValueError(f"local_charges of flows has shape {list(self.local_charges.shape)}; [N] is accepted")

    def members(self) -> list[tuple[str, Tensor]]:
        """(name, tensor) of the floating point tensors that are present."""
        names = ("vectors", "charges", "local_charges", "conductance")
        return [(name, getattr(self, name)) for name in names if getattr(self, name) is not None]

    def apply(self, change: Callable[[Tensor], Tensor]) -> Flows:
        """A copy with every floating point tensor replaced by ``change(tensor)``, the pairs on their device."""
        changed = {name: change(value) for name, value in self.members()}
        return Flows(self.pairs.to(changed["charges"].device), **changed)

    def received(self, moved: Tensor) -> Tensor:
        """What each atom has gained, [N] or [N, ...], where ``moved`` [P, ...], for example in e, went from j to i in every pair."""
        gained = moved.new_zeros(self.local_charges.shape[0], *moved.shape[1:])
        return gained.index_add(0, self.pairs[0], moved).index_add(0, self.pairs[1], -moved)

    def drops(self, potential: Tensor) -> Tensor:
        """Phi_i - Phi_j of each pair, [P], in V."""
        return potential.index_select(0, self.pairs[0]) - potential.index_select(0, self.pairs[1])

    def drops_in(self, field: Tensor) -> Tensor:
        """-E.d_ij of each pair, [P], in V: the drop along it in a uniform field [N, 3] at the atoms, V/A."""
        return -(field.index_select(0, self.pairs[0]) * self.vectors).sum(1)

    def induced(self, drops: Tensor) -> Tensor:
        """p_ij = -f_ij (Phi_i - Phi_j) of each pair, [P], in e; zeros without conductance."""
        return torch.zeros_like(drops) if self.conductance is None else -self.conductance * drops

    def dipoles(self, moved: Tensor) -> Tensor:
        """The dipole of charge that moved in each pair, t_ij d_ij, at atom i: [N, 3] in e A."""
        of_pairs = moved[:, None] * self.vectors
        return of_pairs.new_zeros(self.local_charges.shape[0], 3).index_add(0, self.pairs[0], of_pairs)

    def polarizability(self) -> Tensor:
        """f_ij d_ij d_ij^T at atom i, [N, 3, 3] in e^2 A^2/eV; zeros without conductance."""
        n = self.local_charges.shape[0]
        if self.conductance is None:
            return self.charges.new_zeros(n, 3, 3)
        of_pairs = self.conductance[:, None, None] * self.vectors[:, :, None] * self.vectors[:, None, :]
        return of_pairs.new_zeros(n, 3, 3).index_add(0, self.pairs[0], of_pairs)


def check_flows(flows: Flows, n_atoms: int) -> None:
    """Check that pairs are of atoms that exist, numbers are finite and conductances not negative."""
    if flows.pairs.numel() and not 0 <= int(flows.pairs.min()) <= int(flows.pairs.max()) < n_atoms:
        atoms = f"{int(flows.pairs.min())} to {int(flows.pairs.max())}"
        raise ValueError(f"pairs of flows has the atoms {atoms}; 0 to {n_atoms - 1} are accepted")
    for name, value in flows.members():
        bad = ~torch.isfinite(value)
        if bad.any():
            row = int(bad.reshape(len(value), -1).any(1).nonzero()[0])
            raise ValueError(f"{name} of flows is NaN or infinite in row {row}; finite numbers are accepted")
    if flows.conductance is not None and (flows.conductance < 0).any():
        pair = int((flows.conductance < 0).nonzero()[0])
        raise ValueError(
            f"conductance is {float(flows.conductance[pair])} between atoms {flows.pairs[:, pair].tolist()}; numbers >= 0 "
            "are accepted"
        )
