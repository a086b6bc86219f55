"""A total charge that softness takes up (theory.md section 9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_polarmp.electrostatics.multipoles import Multipoles


@dataclass(frozen=True)
class TotalCharge:
    """The charge that each structure, or each group of atoms, is to have.

    Attributes
    ----------
    charges : Tensor [B], or [G] with groups
        e.
    groups : Tensor [N] of int64, optional
        Group 0 to G - 1 of each atom, none in two structures; by default each structure is one.
    """

    charges: Tensor
    groups: Tensor | None = None

    def groups_of(self, batch: Tensor) -> Tensor:
        """The group of each atom, [N]."""
        return batch if self.groups is None else self.groups

    def shares(self, multipoles: Multipoles, batch: Tensor) -> Tensor:
        """What the charges of each group lack, shared out in proportion to the softness: [N] in e."""
        softness, groups = multipoles.softness, self.groups_of(batch)
        assert softness is not None
        if groups.shape != batch.shape or groups.dtype != torch.int64:
            raise ValueError(
                f"groups of total_charge is {groups.dtype} of shape {list(groups.shape)}; int64 of shape "
                f"{list(batch.shape)} is accepted"
            )
        charges = torch.as_tensor(self.charges).to(softness)
        n_groups = int(groups.max()) + 1
        if charges.shape != (n_groups,):
            raise ValueError(f"charges of total_charge has shape {list(charges.shape)}; [{n_groups}] is accepted")
        zeros = softness.new_zeros(n_groups)
        lacking = charges - zeros.index_add(0, groups, multipoles.charges)
        available = zeros.index_add(0, groups, softness)
        impossible = (available <= 0) & (lacking.abs() > 1e-6)
        if impossible.any():
            group = int(impossible.nonzero()[0])
            raise ValueError(
                f"charges of total_charge is {float(charges[group])} e for group {group}, which has "
                f"{float(charges[group] - lacking[group]):.6g} e and no softness; that charge is accepted"
            )
        return softness * (lacking / torch.where(available > 0, available, 1.0))[groups]
