"""Copies moments and forces between torch and a platform's memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from openmm_polarmp.electrostatics.moving_charges import field_force
from openmm_polarmp.models.model import NetworkResult
from openmm_polarmp.moments import MOMENTS
from openmm_polarmp.sources.flows import FlowState, write_flows
from openmm_polarmp.sources.protocol import Buffers


def write_moments(buffers: Buffers, result: NetworkResult) -> None:
    """Copy the sum of the short-range energies and the moments into the buffers."""
    multipoles = result.multipoles
    with torch.no_grad():
        buffers.energy[0] = result.energies.sum()
        for name, value in multipoles.members():
            if name == "polarizability":
                value = multipoles.polarizability_tensor()
            getattr(buffers, name).copy_(value)
        if multipoles.flows is not None:
            write_flows(buffers, multipoles.flows)


def write_forces(
    buffers: Buffers,
    positions: torch.Tensor,
    result: NetworkResult,
    field: Sequence[float],
    flowed: FlowState | None = None,
    *,
    reach: float | None,
    projected: bool,
) -> None:
    """Copy the forces of the short-range energy and of the moments into the buffers: one product with the Jacobian.

    Parameters
    ----------
    buffers : Buffers
        Holds the derivatives of the electrostatic energy with respect to the moments.
    positions : Tensor [N, 3]
        A; the leaf that everything depends on.
    result : NetworkResult
        As it went to `write_moments`.
    field : three floats
        Latent external field, V/A. In a periodic box the force of the moving charges in it is added.
    flowed : FlowState, optional
        What has flowed between neighbours.
    reach, projected
        Of `field_force`.
    """
    outputs, cotangents = [result.energies], [torch.ones_like(result.energies)]
    members = dict(result.multipoles.members())
    for moment in MOMENTS:
        if moment.name not in members:
            continue
        value = members[moment.name]
        gradient = getattr(buffers, moment.gradient).to(value)
        if moment.isotropic and value.dim() < gradient.dim():
            gradient = gradient.diagonal(dim1=1, dim2=2).sum(1)
        outputs.append(value)
        cotangents.append(gradient)
    if flowed is not None and result.multipoles.flows is not None:
        for value, gradient in flowed.gradients(result.multipoles.flows, field):
            outputs.append(value)
            cotangents.append(gradient)
    differentiable = [k for k, value in enumerate(outputs) if value.requires_grad]
    latent_field = torch.tensor([float(x) for x in field], dtype=torch.float64)
    in_field = buffers.periodic and bool(latent_field.any()) and result.raw_charges.requires_grad
    forces = torch.zeros_like(positions)
    if differentiable:
        (slope,) = torch.autograd.grad(
            [outputs[k] for k in differentiable],
            positions,
            [cotangents[k] for k in differentiable],
            retain_graph=in_field,
        )
        forces = -slope
    if in_field:
        cell = buffers.cell.double()
        moving = field_force(positions, result.raw_charges, cell, latent_field, reach=reach, projected=projected)
        forces = forces + moving.to(forces)
    buffers.forces.copy_(forces)


def not_finite(buffers: Buffers, positions: torch.Tensor) -> ValueError:
    """The error for positions (A) that are not all finite: it names the first such particle."""
    atom = int((~torch.isfinite(positions).all(1)).nonzero()[0, 0])
    return ValueError(f"position of particle {buffers.particles[atom]} is not finite: {positions[atom].tolist()} A")
