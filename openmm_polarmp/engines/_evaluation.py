"""Energies, forces, stresses and moments of a batch of structures, evaluated in torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from openmm_polarmp._torch import checked_device
from openmm_polarmp.models import PolarMPModel, load_model


class Evaluation(NamedTuple):
    """Results without a graph.

    Attributes
    ----------
    energy : Tensor [B]
        eV.
    forces : Tensor [N, 3] or None
        eV/A.
    stress : Tensor [B, 3, 3] or None
        dU/dstrain over the volume, eV/A^3; zeros for clusters.
    charges : Tensor [N]
        Permanent and induced, physical (theory.md section 6), e.
    dipoles : Tensor [N, 3]
        Permanent and induced dipoles of the atoms, physical, e A.
    """

    energy: Tensor
    forces: Tensor | None
    stress: Tensor | None
    charges: Tensor
    dipoles: Tensor


def model_on(
    model: str | Path | PolarMPModel, device: torch.device | str, dtype: torch.dtype, accuracy: float | None
) -> PolarMPModel:
    """A copy of a model, or that of a file, on a device, with an accuracy of its electrostatics unless it is None."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype is {dtype}; torch.float32 and torch.float64 are accepted")
    copy = PolarMPModel.from_bytes(model.to_bytes()) if isinstance(model, PolarMPModel) else load_model(model)
    copy = copy.to(checked_device(device), dtype).requires_grad_(False)
    if accuracy is not None:
        copy.accuracy = accuracy
    return copy


def evaluate(
    model: PolarMPModel,
    positions: Tensor,
    species: Tensor,
    cell: Tensor | None,
    batch: Tensor,
    *,
    pbc: bool | Tensor,
    forces: bool = True,
    stress: bool = False,
    **options: Any,
) -> Evaluation:
    """Evaluate a model.

    Parameters
    ----------
    model : PolarMPModel
    positions : Tensor [N, 3]
        A; float64, for which the weights need not be.
    species, batch : Tensor [N]
        Atomic number and structure of each atom.
    cell : Tensor [B, 3, 3] or None
        Rows are the box vectors, A; without meaning for clusters.
    pbc : bool or Tensor [B] of bool
        Which structures are periodic.
    forces, stress : bool
        Whether they are computed.
    options
        ``total_charge``, ``multiplicity`` and ``eps_inf``, as for `PolarMPModel.evaluate`.
    """
    r = positions.detach().requires_grad_(forces)
    moved, cells, inputs = r, cell, [r] if forces else []
    if stress and cell is not None:
        strain = torch.zeros_like(cell, requires_grad=True)
        symmetric = (strain + strain.transpose(1, 2)) / 2
        moved = r + (r[:, None] @ symmetric[batch])[:, 0]
        cells = cell + cell @ symmetric
        inputs.append(strain)
    with torch.set_grad_enabled(bool(inputs)):
        result = model.evaluate(moved, species, cells, pbc=pbc, batch=batch, **options)
    gradients = list(torch.autograd.grad(result.energy.sum(), inputs)) if inputs else []
    forces_on_atoms = -gradients.pop(0) if forces else None
    stresses = positions.new_zeros(len(result.energy), 3, 3) if stress else None
    if gradients and cell is not None:
        periodic = torch.as_tensor(pbc, device=r.device).expand(len(cell))[:, None, None]
        volumes = torch.where(periodic, torch.linalg.det(cell).abs()[:, None, None], 1.0)
        stresses = torch.where(periodic, gradients.pop() / volumes, 0.0)
    charges, dipoles = result.multipoles.charges, torch.zeros_like(r)
    if result.electrostatics is not None:
        scaling = result.electrostatics.scaling[batch]
        charges = scaling * (charges + result.electrostatics.induced_charges)
        permanent = 0.0 if result.multipoles.dipoles is None else result.multipoles.dipoles
        dipoles = scaling[:, None] * (permanent + result.electrostatics.induced_dipoles)
    return Evaluation(result.energy.detach(), forces_on_atoms, stresses, charges.detach(), dipoles.detach())
