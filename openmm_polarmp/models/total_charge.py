"""Imposing the total charge on the charges of a network."""

from __future__ import annotations

import dataclasses

import torch

from openmm_polarmp.electrostatics.multipoles import Multipoles


def with_total_charge(
    multipoles: Multipoles, total_charge: torch.Tensor | float | None = None, batch: torch.Tensor | None = None
) -> Multipoles:
    """Multipoles with their charges shifted to the total charge (e), see `project_total_charge`."""
    charges = project_total_charge(multipoles.charges, total_charge, batch)
    flows = multipoles.flows
    if flows is not None:  # what neighbours exchange has no part in the sum
        flows = dataclasses.replace(flows, local_charges=project_total_charge(flows.local_charges, total_charge, batch))
    return dataclasses.replace(multipoles, charges=charges, flows=flows)


def project_total_charge(
    charges: torch.Tensor, total_charge: torch.Tensor | float | None = None, batch: torch.Tensor | None = None
) -> torch.Tensor:
    """Shift the charges of each structure by one constant so that they sum to its total charge.

    Parameters
    ----------
    charges : Tensor [N]
        e.
    total_charge : Tensor [B] or float, optional
        e; 0 by default.
    batch : Tensor [N], optional
        Structure of each atom.
    """
    if charges.numel() == 0:
        return charges
    total_charge = 0.0 if total_charge is None else total_charge
    if batch is None and not isinstance(total_charge, torch.Tensor):
        # No tensor is made of the number: sending it to a GPU would wait.
        return charges - (charges.sum() - float(total_charge)) / charges.shape[0]
    target = torch.as_tensor(total_charge, dtype=charges.dtype, device=charges.device)
    if batch is None:
        if target.numel() != 1:
            raise ValueError(f"total_charge has {target.numel()} values for one structure: give batch, or one value")
        return charges - (charges.sum() - target.reshape(())) / charges.shape[0]
    n_structures = target.numel() if target.dim() else int(batch.max()) + 1
    zeros = charges.new_zeros(n_structures)
    excess = zeros.index_add(0, batch, charges) - target
    counts = zeros.index_add(0, batch, torch.ones_like(charges))
    return charges - (excess / counts)[batch]
