"""Vectors between atoms, as a list of pairs and as a table of each atom's neighbours."""

from __future__ import annotations

import torch


def displacements(positions, edge_index, edge_shifts, cell, batch=None) -> torch.Tensor:
    """Vectors r_j + shift @ cell - r_i of each pair, [E, 3], in the precision of the positions."""
    vectors = positions.index_select(0, edge_index[0]) - positions.index_select(0, edge_index[1])
    if cell is None:
        return vectors
    shifts = edge_shifts.to(positions.dtype)
    cell = cell.to(positions.dtype)
    if cell.dim() == 2:
        return vectors + shifts @ cell
    structure = batch.index_select(0, edge_index[0]) if batch is not None else torch.zeros_like(edge_index[0])
    return vectors + (shifts[:, None, :] @ cell.index_select(0, structure))[:, 0]


def pad_pairs(
    vectors: torch.Tensor, edge_index: torch.Tensor, n_atoms: int, beyond: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors [N, K, 3] and senders [N, K] of each receiver; empty places hold a vector of length ``beyond``."""
    receivers, order = torch.sort(edge_index[1], stable=True)
    counts = receivers.new_zeros(n_atoms).index_add(0, receivers, torch.ones_like(receivers))
    n_neighbors = counts.max()
    starts = counts.cumsum(0) - counts
    place = receivers * n_neighbors + torch.arange(receivers.shape[0], device=receivers.device) - starts[receivers]
    senders = receivers.new_zeros(n_atoms * n_neighbors).index_copy(0, place, edge_index[0][order])
    empty = vectors.new_full((n_atoms * n_neighbors, 3), beyond / 3**0.5)
    padded = empty.index_copy(0, place, vectors.index_select(0, order))
    return padded.view(n_atoms, n_neighbors, 3), senders.view(n_atoms, n_neighbors)
