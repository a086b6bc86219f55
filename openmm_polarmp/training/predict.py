"""Predictions of a model for a batch, differentiable with respect to its weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from openmm_polarmp.electrostatics import born_effective_charges
from openmm_polarmp.electrostatics.born_charges import chosen_born_charges, without_mean_charge
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.response import local_moments
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.models.model import ModelResult
from openmm_polarmp.training.data.structure import Batch


@dataclass
class Prediction:
    """As the labels of `Structure`, for all structures of a batch; None where it was not asked for.

    Attributes
    ----------
    energy : Tensor [B]
        eV.
    forces : Tensor [N, 3]
        eV/A.
    multipoles : Multipoles
        Of all atoms.
    charges : Tensor [N]
        Permanent ones or, where all charges are induced, these; e.
    raw_charges : Tensor [N]
        e, before the total charge was imposed.
    stress : Tensor [B, 3, 3] or None
        eV/A^3; zeros for clusters.
    dipole : Tensor [B, 3] or None
        e A; of no meaning for boxes.
    born_charges : Tensor [N, 3, 3] or None
        e.
    born_atoms : Tensor [N] of bool or None
        Of which atoms the Born charges are known.
    """

    energy: torch.Tensor
    forces: torch.Tensor
    multipoles: Multipoles
    charges: torch.Tensor
    raw_charges: torch.Tensor
    stress: torch.Tensor | None = None
    dipole: torch.Tensor | None = None
    born_charges: torch.Tensor | None = None
    born_atoms: torch.Tensor | None = None


def predict(
    model: PolarMPModel,
    batch: Batch,
    *,
    stress: bool = False,
    dipole: bool = False,
    born_of: torch.Tensor | None = None,
    eps_inf: float = 1.0,
    train: bool = False,
) -> Prediction:
    """Energies, forces, and the other labels that are asked for.

    Parameters
    ----------
    model : PolarMPModel
    batch : Batch
    stress : bool
        [B, 3, 3]; zeros for clusters.
    dipole : bool
        [B, 3] of clusters, with their atoms where they are; of no meaning for boxes.
    born_of : Tensor [B], optional
        Born charges: of all atoms of clusters, in boxes of one atom each (numbered within its box).
    eps_inf : float
        Contained in dipoles and Born charges.
    train : bool
        Keep the graph of the derivatives, to differentiate once more.
    """
    r = batch.positions.detach().clone().requires_grad_(True)
    positions, cells, strain = r, batch.cells, None
    if stress and cells is not None:
        strain = torch.zeros_like(cells, requires_grad=True)
        symmetric = (strain + strain.transpose(1, 2)) / 2
        positions = r + (r[:, None] @ symmetric[batch.batch])[:, 0]
        cells = cells + cells @ symmetric
    field = batch.external_field
    evaluated = model.evaluate(positions, batch.species, cells, eps_inf=eps_inf, external_field=field, **batch.options)
    inputs = [r] if strain is None else [r, strain]
    more = train or dipole or born_of is not None
    gradients = torch.autograd.grad(evaluated.energy.sum(), inputs, create_graph=train, retain_graph=more)
    charges = evaluated.multipoles.charges
    if model.equilibrates_charges and evaluated.electrostatics is not None:
        charges = charges + evaluated.electrostatics.induced_charges
    result = Prediction(evaluated.energy, -gradients[0], evaluated.multipoles, charges, evaluated.raw_charges)
    if strain is not None:
        volumes = torch.linalg.det(batch.cells).abs()[:, None, None]
        result.stress = torch.where(batch.periodic[:, None, None], gradients[1] / volumes, 0.0)
    elif stress:
        result.stress = r.new_zeros(len(batch.sizes), 3, 3)
    if dipole or born_of is not None:
        _response(result, evaluated, batch, r, dipole, born_of, train)
    if not train:
        for name in ("energy", "dipole", "born_charges"):
            value = getattr(result, name)
            setattr(result, name, None if value is None else value.detach())
    return result


def all_born_charges(model: PolarMPModel, batch: Batch, eps_inf: float = 1.0) -> torch.Tensor:
    """Born charges [N, 3, 3] of every atom, in boxes too: a backward pass for each atom of the largest box."""
    if not model.has_electrostatics:
        return torch.zeros(len(batch.species), 3, 3, dtype=batch.positions.dtype)

    def multipoles(positions: torch.Tensor) -> Multipoles:
        return model.multipoles(positions, batch.species, batch.cells, **batch.options)[1].to(positions.dtype)

    born = born_effective_charges(
        batch.positions,
        multipoles,
        batch.cells,
        batch=batch.batch,
        pbc=batch.periodic,
        sigma=model.sigma,
        accuracy=model.accuracy,
        k_max=model.k_max,
        external_field=batch.external_field,
        eps_inf=eps_inf,
        **model.response_options(batch.total_charge, len(batch.sizes)),
    )
    return born.value.detach()


def _response(
    result: Prediction,
    evaluated: ModelResult,
    batch: Batch,
    r: torch.Tensor,
    dipole: bool,
    born_of: torch.Tensor | None,
    train: bool,
) -> None:
    """Dipoles of clusters; Born charges between nearest images (theory.md section 6)."""
    electrostatics = evaluated.electrostatics
    if electrostatics is None:
        result.dipole = r.new_zeros(len(batch.sizes), 3)
        result.born_charges = r.new_zeros(len(r), 3, 3)
        result.born_atoms = torch.ones(len(r), dtype=torch.bool, device=r.device)
        return
    scale = electrostatics.scaling
    permanent, induced, dipoles = local_moments(evaluated.multipoles, electrostatics)
    if dipole:
        result.dipole = scale[:, None] * batch.per_structure((permanent + induced)[:, None] * r + dipoles)
    if born_of is not None:
        charges = permanent + without_mean_charge(induced, batch.periodic, batch.batch)
        chosen = (torch.cumsum(batch.sizes, 0) - batch.sizes + born_of.to(batch.sizes)).long()
        born, result.born_atoms = chosen_born_charges(
            chosen, charges, dipoles, r, batch.cells, batch.periodic, batch.batch, create_graph=train
        )
        result.born_charges = scale[batch.batch][:, None, None] * born
