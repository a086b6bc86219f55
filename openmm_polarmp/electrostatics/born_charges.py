"""Derivatives of the polarization by single atoms, in boxes between nearest images (theory.md section 6).

In a box sum_j q_j r_j is not single valued. What moves with atom i is counted from where atom i is,

    Z_i,ab = q_i delta_ab + sum_j (r_j - r_i)_a dq_j/dr_i,b + d(sum mu + dmu)_a/dr_i,b,

with the mean removed from the charges that move. Nothing here is scaled: physical Born charges are s times as large. The public functions for
multipoles are in `response`.
"""

import torch
from torch import Tensor

from openmm_polarmp.electrostatics.images import NearestImages


def without_mean_charge(charges: Tensor, periodic: Tensor, batch: Tensor) -> Tensor:
    """Charges [N] in e, less the mean of each box; those of clusters are left as they are."""
    zeros = charges.new_zeros(len(periodic))
    means = zeros.index_add(0, batch, charges) / zeros.index_add(0, batch, torch.ones_like(charges))
    return torch.where(periodic[batch], charges - means[batch], charges)


def position_gradient(value: Tensor, positions: Tensor, create_graph: bool = False) -> Tensor:
    """D value/d positions [N, 3], keeping the graph; zeros where nothing depends on the positions."""
    if not value.requires_grad:
        return torch.zeros_like(positions)
    (gradient,) = torch.autograd.grad(value, positions, create_graph=create_graph, retain_graph=True, allow_unused=True)
    return torch.zeros_like(positions) if gradient is None else gradient


def charge_transfer(
    charges: Tensor,
    positions: Tensor,
    cell: Tensor,
    periodic: Tensor | None = None,
    batch: Tensor | None = None,
) -> Tensor:
    """sum_j (r_j - r_i)_a dq_j/dr_i,b of the atoms i of boxes, by one backward pass for each atom of the largest box.

    Parameters
    ----------
    charges : Tensor [N]
        e; functions of the positions.
    positions : Tensor [N, 3]
        A; the leaf.
    cell : Tensor [3, 3] or [B, 3, 3]
        Rows are the box vectors, A.
    periodic : Tensor [B] of bool, optional
        Which structures are boxes; by default all.
    batch : Tensor [N], optional
        Structure of each atom.

    Returns
    -------
    Tensor [N, 3, 3]
        e; zeros for atoms of clusters.
    """
    born = positions.new_zeros(len(positions), 3, 3)
    if not charges.requires_grad:
        return born
    cells = cell.detach().reshape(-1, 3, 3)
    if batch is None:
        batch = torch.zeros(len(positions), dtype=torch.long, device=positions.device)
    if periodic is None:
        periodic = torch.ones(len(cells), dtype=torch.bool, device=positions.device)
    r = positions.detach()
    order = torch.argsort(batch, stable=True)
    sizes = torch.bincount(batch, minlength=len(cells))
    first = torch.cumsum(sizes, 0) - sizes
    nearest = NearestImages(cells, periodic, batch)
    for step in range(int(torch.where(periodic, sizes, 0).max())):
        # one atom of each structure at a time: structures do not depend on each other
        sources = order[(first + step).clamp_max(len(order) - 1)]
        exists = periodic & (step < sizes)
        slope = position_gradient((charges[sources] * exists).sum(), positions)
        arms = nearest(r[sources][batch] - r)
        born = born + exists[batch][:, None, None] * arms[:, :, None] * slope[:, None, :]
    return born


def chosen_born_charges(
    chosen: Tensor,
    charges: Tensor,
    dipoles: Tensor,
    positions: Tensor,
    cells: Tensor | None,
    periodic: Tensor,
    batch: Tensor,
    create_graph: bool = False,
) -> tuple[Tensor, Tensor]:
    """Born charges of all atoms of clusters and of one atom of each box, by three backward passes.

    Parameters
    ----------
    chosen : Tensor [B]
        The atom of each structure; those of clusters do not matter.
    charges : Tensor [N]
        Permanent and induced, e.
    dipoles : Tensor [N, 3]
        Permanent and induced, e A.
    positions : Tensor [N, 3]
        A; the leaf.
    cells : Tensor [B, 3, 3] or None
        A; None if there are clusters only.
    periodic : Tensor [B] of bool
    batch : Tensor [N]
        Structure of each atom.
    create_graph : bool
        Whether they are to be differentiated.

    Returns
    -------
    born_charges : Tensor [N, 3, 3]
        e.
    known : Tensor [N] of bool
        Of which atoms they are that; the others' have no meaning.
    """
    in_box = periodic[batch]
    itself = torch.zeros_like(in_box)
    itself[chosen] = periodic
    arms, moving = positions, charges
    if cells is not None:
        moving = without_mean_charge(charges, periodic, batch)
        r = positions.detach()
        images = NearestImages(cells.detach(), periodic, batch)(r - r[chosen][batch])
        arms = torch.where(in_box[:, None], images, positions)
    total = (moving[:, None] * arms + dipoles).sum(0)
    born = torch.stack([position_gradient(total[a], positions, create_graph) for a in range(3)], 1)
    # In a box the chosen atom's arm is zero, also in the derivative: its charge moves with it.
    rigid = torch.where(itself, charges, 0.0)[:, None, None] * torch.eye(3, dtype=born.dtype, device=born.device)
    return born + rigid, itself | ~in_box
