"""What goes between a source in torch and the memory of the platform (``buffers`` of `TorchSource.bind`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from openmm_polarmp.electrostatics.moving_charges import field_force
from openmm_polarmp.electrostatics.multipoles import Multipoles

GRADIENTS = {
    "charges": "charge_gradients",
    "dipoles": "dipole_gradients",
    "quadrupoles": "quadrupole_gradients",
    "softness": "softness_gradients",
    "polarizability": "polarizability_gradients",
}


class MomentNames:
    """What a source tells of the moments that it gives, from their names in ``_has``."""

    _has: set[str]

    @property
    def has_dipoles(self) -> bool:
        """Whether the source gives dipoles."""
        return "dipoles" in self._has

    @property
    def has_quadrupoles(self) -> bool:
        """Whether the source gives quadrupoles."""
        return "quadrupoles" in self._has

    @property
    def has_softness(self) -> bool:
        """Whether the source gives softness (induced charges)."""
        return "softness" in self._has

    @property
    def has_polarizability(self) -> bool:
        """Whether the source gives polarizabilities (induced dipoles)."""
        return "polarizability" in self._has


def write_moments(buffers: Any, energy: torch.Tensor, multipoles: Multipoles) -> None:
    """Short-range energy (eV, summed over what comes) and moments (model units) into the buffers."""
    with torch.no_grad():
        buffers.energy[0] = energy.sum()
        for name, value in multipoles.members():
            if name == "polarizability":
                value = multipoles.polarizability_tensor()
            getattr(buffers, name).copy_(value)


def write_forces(
    buffers: Any,
    positions: torch.Tensor,
    energy: torch.Tensor,
    multipoles: Multipoles,
    field: Sequence[float],
    *,
    raw_charges: torch.Tensor,
    reach: float | None,
    projected: bool,
) -> None:
    """One product with the Jacobian: forces of the short-range energy and of the moments into the buffers.

    Parameters
    ----------
    buffers : object
        Holds the derivatives of the electrostatic energy by the moments, and takes the forces.
    positions : Tensor [N, 3]
        A; the leaf that everything depends on.
    energy, multipoles
        As they went to `write_moments`.
    field : three floats
        Latent external field, V/A. In a periodic box the force of the moving charges in it is added.
    raw_charges, reach, projected
        Of `field_force`.
    """
    outputs, cotangents = [energy], [torch.ones_like(energy)]
    for name, value in multipoles.members():
        gradient = getattr(buffers, GRADIENTS[name]).to(value)
        if name == "polarizability" and value.dim() == 1:
            gradient = gradient.diagonal(dim1=1, dim2=2).sum(1)
        outputs.append(value)
        cotangents.append(gradient)
    differentiable = [k for k, value in enumerate(outputs) if value.requires_grad]
    field = torch.tensor([float(x) for x in field], dtype=torch.float64)
    in_field = buffers.periodic and bool(field.any()) and raw_charges.requires_grad
    forces = torch.zeros_like(positions)
    if differentiable:
        (gradient,) = torch.autograd.grad(
            [outputs[k] for k in differentiable],
            positions,
            [cotangents[k] for k in differentiable],
            retain_graph=in_field,
        )
        forces = -gradient
    if in_field:
        cell = buffers.cell.double()
        forces = forces + field_force(positions, raw_charges, cell, field, reach=reach, projected=projected).to(forces)
    buffers.forces.copy_(forces)


def not_finite(buffers: Any, positions: torch.Tensor) -> ValueError:
    """The error for positions that are not all finite: it names the first such particle."""
    atom = int((~torch.isfinite(positions).all(1)).nonzero()[0, 0])
    return ValueError(f"position of particle {buffers.particles[atom]} is not finite: {positions[atom].tolist()} A")
