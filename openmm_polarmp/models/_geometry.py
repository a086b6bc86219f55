"""Vectors between atoms, as a list of pairs and as a table of each atom's neighbours."""

from __future__ import annotations

from typing import NamedTuple

import torch


class NeighborTable(NamedTuple):
    """The pairs of each receiver in a row.

    Attributes
    ----------
    senders : Tensor [N, K]
        Sender of each place.
    shifts : Tensor [N, K, 3]
        Whole cells of each place, in the given precision.
    taken : Tensor [N, K] of bool
        False where an atom has fewer than K neighbours and the place is empty.
    """

    senders: torch.Tensor
    shifts: torch.Tensor
    taken: torch.Tensor


def neighbor_table(edge_index: torch.Tensor, edge_shifts: torch.Tensor, n_atoms: int) -> NeighborTable:
    """Sort a list of pairs into a table; K is the largest number of neighbours."""
    receivers, order = torch.sort(edge_index[1], stable=True)
    counts = receivers.new_zeros(n_atoms).index_add(0, receivers, torch.ones_like(receivers))
    n_places = counts.max()
    before = counts.cumsum(0) - counts
    place = torch.arange(receivers.shape[0], device=receivers.device) - before.index_select(0, receivers)
    place = place + receivers * n_places
    size = n_atoms * n_places
    senders = receivers.new_zeros(size).index_copy(0, place, edge_index[0].index_select(0, order))
    shifts = edge_shifts.new_zeros((size, 3)).index_copy(0, place, edge_shifts.index_select(0, order))
    taken = torch.zeros_like(senders).index_copy(0, place, torch.ones_like(place)).bool()
    shape = (n_atoms, n_places)
    return NeighborTable(senders.unflatten(0, shape), shifts.unflatten(0, shape), taken.unflatten(0, shape))


def table_vectors(
    positions: torch.Tensor,
    table: NeighborTable,
    cell: torch.Tensor | None,
    batch: torch.Tensor | None,
    beyond: float,
) -> torch.Tensor:
    """Vectors r_j + shift @ cell - r_i [N, K, 3] in the positions' precision; empty places get length ``beyond``."""
    flat = positions.index_select(0, table.senders.flatten()).unflatten(0, table.senders.shape)
    vectors = flat - positions[:, None]
    if cell is not None:
        cell = cell.to(positions.dtype)
        if cell.dim() == 3:
            cell = cell[0] if batch is None else cell.index_select(0, batch)
        vectors = vectors + table.shifts.to(positions.dtype) @ cell
    return torch.where(table.taken[:, :, None], vectors, vectors.new_full((1, 1, 1), beyond / 3**0.5))


def displacements(
    positions: torch.Tensor,
    edge_index: torch.Tensor,
    edge_shifts: torch.Tensor,
    cell: torch.Tensor | None,
    batch: torch.Tensor | None = None,
) -> torch.Tensor:
    """Vectors r_j + shift @ cell - r_i of a list of pairs, [E, 3], in the precision of the positions."""
    vectors = positions.index_select(0, edge_index[0]) - positions.index_select(0, edge_index[1])
    if cell is None:
        return vectors
    shifts, cell = edge_shifts.to(positions.dtype), cell.to(positions.dtype)
    if cell.dim() == 3:
        if batch is not None:
            structure = batch.index_select(0, edge_index[0])
            return vectors + (shifts[:, None] @ cell.index_select(0, structure))[:, 0]
        cell = cell[0]
    return vectors + shifts @ cell
