"""What surrounds a periodic box: the surface terms of slabs and of spheres of boxes in vacuum (theory.md section 10)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from openmm_polarmp.units import COULOMB

if TYPE_CHECKING:
    from openmm_polarmp.electrostatics.permanent import Moments

BOUNDARIES = ("conducting", "slab_z", "vacuum")
TILT = 1e-6
"""Largest z component of the first two box vectors of a slab, as a fraction of their lengths."""

NEUTRAL = 1e-3
"""e, the largest total charge of a box in vacuum."""


def check_boundary(boundary: str, cells: Tensor | None) -> str:
    """The boundary, if it is known and fits the boxes."""
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary is {boundary!r}; {', '.join(map(repr, BOUNDARIES))} are accepted")
    if boundary == "slab_z" and cells is not None:
        in_plane = cells.detach()[:, :2]
        if (in_plane[:, :, 2].abs() > TILT * in_plane.norm(dim=2)).any():
            raise ValueError(
                "boundary is 'slab_z' and the first two box vectors leave the xy plane; vectors in it are accepted"
            )
    return boundary


def check_neutral_boxes(charges: Tensor, periodic: Tensor) -> None:
    """Raise ValueError for a charged box in vacuum, whose dipole and with it its energy is not defined."""
    charged = periodic & (charges.abs() > NEUTRAL)
    if bool(charged.any()):
        structure = int(charged.nonzero()[0])
        raise ValueError(
            f"boundary is 'vacuum' and structure {structure} has a charge of {float(charges[structure]):.3g} e; neutral boxes "
            "are accepted, and charged slabs with 'slab_z'"
        )


def surface_potential(
    boundary: str,
    positions: Tensor,
    moments: Moments,
    volume: Tensor,
    height: Tensor,
    sigma: float,
    structure: Tensor,
) -> tuple[Tensor, Tensor]:
    """Energy [b] in eV that conducting surroundings lack, and the potential with its derivatives up to the second, [n, 10].

    Parameters
    ----------
    boundary : str
        ``"slab_z"`` or ``"vacuum"``.
    positions : Tensor [n, 3]
        A; unwrapped: an atom that is moved by a box vector is another one here.
    moments : Moments
        Of the same atoms.
    volume, height : Tensor [b]
        A^3, and the length of the box along z, A.
    sigma : float
        A.
    structure : Tensor [n]
        Box of each atom.
    """
    q, mu, Q = moments.charges, moments.dipoles, moments.quadrupoles

    def total(values: Tensor) -> Tensor:
        return values.new_zeros(len(volume), *values.shape[1:]).index_add(0, structure, values)

    dipole = q[:, None] * positions
    if mu is not None:
        dipole = dipole + mu
    M = total(dipole)
    if boundary == "vacuum":
        field = 4 * math.pi * COULOMB / 3 / volume[:, None] * M
        energy = (field * M).sum(1) / 2
        gradient = field[structure]
        columns = [(gradient * positions).sum(1, keepdim=True), gradient, gradient.new_zeros(len(gradient), 6)]
        return energy, torch.cat(columns, 1)
    z = positions[:, 2]
    spread = q * z.square()
    if mu is not None:
        spread = spread + 2 * mu[:, 2] * z
    if Q is not None:
        spread = spread + Q[:, 2, 2]
    M_z, S_zz, charge = M[:, 2], total(spread), total(q)
    factor = 2 * math.pi * COULOMB / volume
    rest = charge * (height.square() / 6 + sigma**2)
    energy = factor * (M_z.square() - charge * S_zz - charge * rest / 2)
    M_of, S_of, Q_of, f_of, rest_of = (x[structure] for x in (M_z, S_zz, charge, factor, rest))
    potential = f_of * (2 * z * M_of - Q_of * z.square() - S_of - rest_of)
    zero = torch.zeros_like(z)
    along_z, curvature = 2 * f_of * (M_of - Q_of * z), -2 * f_of * Q_of
    return energy, torch.stack([potential, zero, zero, along_z, zero, zero, zero, zero, zero, curvature], 1)
