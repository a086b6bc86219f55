"""Pairs of several structures at once."""

from __future__ import annotations

import torch

from openmm_polarmp.neighbors._search import neighbor_pairs


def batched_pairs(
    positions: torch.Tensor,
    cutoff: float,
    cell: torch.Tensor | None = None,
    *,
    pbc: bool | torch.Tensor | None = None,
    batch: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs within the cutoff of one structure, or of each structure of a batch.

    Parameters
    ----------
    positions : Tensor [N, 3]
        A.
    cutoff : float
        A.
    cell : Tensor [3, 3] or [B, 3, 3], optional
        Box vectors, A.
    pbc : bool or Tensor [B] of bool, optional
        Which structures are periodic; by default all if there is a cell.
    batch : Tensor [N], optional
        Structure of each atom.

    Returns
    -------
    edge_index, edge_shifts : Tensor
        As from `neighbor_pairs`.
    """
    if batch is None:
        periodic = cell is not None if pbc is None else bool(torch.as_tensor(pbc).all())
        if periodic and cell is None:
            raise ValueError("cell is None and pbc is True; box vectors are accepted for periodic structures")
        box = None if cell is None or not periodic else cell.reshape(3, 3)
        return neighbor_pairs(positions, cutoff, box)
    n_structures = int(batch.max()) + 1 if batch.numel() else 0
    indices, shifts = [], []
    for structure in range(n_structures):
        atoms = (batch == structure).nonzero()[:, 0]
        box = None if cell is None else cell if cell.dim() == 2 else cell[structure]
        in_box = pbc if pbc is None or isinstance(pbc, bool) else bool(torch.as_tensor(pbc).reshape(-1)[structure])
        index, shift = batched_pairs(positions[atoms], cutoff, box, pbc=in_box)
        indices.append(atoms[index])
        shifts.append(shift)
    return torch.cat(indices, dim=1), torch.cat(shifts)
