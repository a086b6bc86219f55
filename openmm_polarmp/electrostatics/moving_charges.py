"""How charges that move with the atoms act in a uniform field in a periodic box (theory.md, section 6).

    F_i = sum_j E.(r_j - r_i) dq_j/dr_i        r_j - r_i between nearest images

The Jacobian dq/dr is never formed: with fractional coordinates s and box vectors a_d,
E.(r_j - r_i) = sum_d (E.a_d) wrap(s_jd - s_id), and wrap(s_j - s_i) = wrap(s_j - c) - wrap(s_i - c) for atoms i near
c and all j within their reach. So the atoms are cut into a few slabs around centres c; each slab takes one product of
the vector wrap(s_j - c) with the Jacobian.

Such a sum over box vectors needs the images of wrapped fractional coordinates. For atoms within each other's reach, where
slabs are used, those are the nearest images (`images`). They are others in skewed boxes for what has no reach: the constant
part of the Jacobian that an imposed total charge brings along, and all of it in boxes thinner than twice the reach. The
plugin's own kernels do the same.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch

from openmm_polarmp.electrostatics.images import wrap_fractional


def field_force(
    positions: torch.Tensor,
    raw_charges: torch.Tensor,
    cell: torch.Tensor,
    field: torch.Tensor,
    *,
    reach: float | None,
    projected: bool,
) -> torch.Tensor:
    """Force [N, 3] in eV/A on the atoms.

    Parameters
    ----------
    positions : Tensor [N, 3]
        A; the leaf that the charges depend on.
    raw_charges : Tensor [N]
        e, before the total charge was imposed.
    cell : Tensor [3, 3]
        Box vectors, A.
    field : Tensor [3]
        V/A.
    reach : float or None
        No charge depends on an atom farther away than this, A; None: not known.
    projected : bool
        Whether the charges are shifted to a fixed sum: then dq_j/dr_i has the constant part -1/N sum_k dq_k/dr_i.
    """

    def product(vector: torch.Tensor) -> torch.Tensor:
        """sum_j vector_j dq_j/dr_i, [N, 3]."""
        (result,) = torch.autograd.grad(raw_charges, positions, vector.to(raw_charges), retain_graph=True)
        return result.double()

    cell, field = cell.to(positions.device), field.to(positions.device)
    inverse = torch.linalg.inv(cell)
    fractional = positions.detach().double() @ inverse
    fractional = fractional - fractional.floor()
    strengths = cell @ field  # E.a_d
    heights = (1 / inverse.norm(dim=0)).tolist()

    directions = [d for d in range(3) if float(strengths[d]) != 0]
    n_slabs = {d: n for d in directions if (n := _slabs(heights[d], reach)) is not None}
    too_thin = len(n_slabs) < len(directions)
    if too_thin or sum(n_slabs.values()) >= len(positions):
        if too_thin:
            warnings.warn(
                "external field: the box is thinner than twice the reach of the network's charges "
                f"({'unknown' if reach is None else f'{reach:g} A'}): each step needs one backward pass for every atom",
                stacklevel=2,
            )
        force = _atom_by_atom(product, fractional, strengths)
        own = torch.zeros_like(fractional[:, 0])
    else:
        force = torch.zeros_like(fractional)
        own = torch.zeros_like(fractional[:, 0])
        for d in directions:
            s, n = fractional[:, d], n_slabs[d]
            slab = (s * n).long().clamp(max=n - 1)
            for m in range(n):
                offset = wrap_fractional(s - (m + 0.5) / n)
                inside = slab == m
                force = force + inside[:, None] * (strengths[d] * product(offset))
                own = own + inside * (strengths[d] * offset)
    if projected:
        own = own + sum(strengths[d] * mean_wrapped(fractional[:, d]) for d in directions)
    return force - own[:, None] * product(torch.ones_like(raw_charges))


def _slabs(height: float, reach: float | None) -> int | None:
    """Number of slabs so that no pair within reach of a slab's atoms is cut; None if there is no such number."""
    if reach is None or 2 * reach >= height:
        return None
    # An atom lies up to 1/(2n) from the centre, its partner reach/height further, and 1/2 is the end.
    return max(1, math.ceil(1 / (1 - 2 * reach / height) - 1e-9))


def _atom_by_atom(
    product: Callable[[torch.Tensor], torch.Tensor], fractional: torch.Tensor, strengths: torch.Tensor
) -> torch.Tensor:
    rows = [product(wrap_fractional(fractional - fractional[i]) @ strengths)[i] for i in range(len(fractional))]
    return torch.stack(rows)


def mean_wrapped(s: torch.Tensor) -> torch.Tensor:
    """mean_j wrap(s_j - s_i) for each i, for s in [0, 1): by sorting, not pair by pair."""
    n = len(s)
    ordered = torch.sort(s).values
    above = n - torch.searchsorted(ordered, s + 0.5)  # s_j - s_i >= 1/2 loses one
    below = torch.searchsorted(ordered, s - 0.5)  # s_j - s_i < -1/2 gains one
    return s.mean() - s + (below - above).double() / n
