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
    """Pairs within the cutoff of one structure, or of each structure of a batch, as `neighbor_pairs`."""
    if batch is None:
        periodic = cell is not None if pbc is None else bool(torch.as_tensor(pbc).all())
        if periodic and cell is None:
            raise ValueError("pbc is True but cell is None: give the box vectors")
        box = None if cell is None or not periodic else cell.reshape(3, 3)
        return neighbor_pairs(positions, cutoff, box)
    n_structures = int(batch.max()) + 1 if batch.numel() else 0
    indices, shifts = [], []
    for structure in range(n_structures):
        atoms = (batch == structure).nonzero()[:, 0]
        box = None if cell is None else cell if cell.dim() == 2 else cell[structure]
        own = pbc if pbc is None or isinstance(pbc, bool) else torch.as_tensor(pbc).reshape(-1)[structure]
        index, shift = batched_pairs(positions[atoms], cutoff, box, pbc=own)
        indices.append(atoms[index])
        shifts.append(shift)
    return torch.cat(indices, dim=1), torch.cat(shifts)
