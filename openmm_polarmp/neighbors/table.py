"""Vectors between atoms, as a list of pairs and as a table of each atom's neighbours."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch


class NeighborTable(NamedTuple):
    """The pairs of each receiver in a row.

    Attributes
    ----------
    senders : Tensor [N, K]
        Sender of each pair.
    shifts : Tensor [N, K, 3]
        Whole cells of each pair, in the precision of the list.
    taken : Tensor [N, K] of bool
        False for padding, where an atom has fewer than K neighbours.
    mirrors : Tensor [N, K] or None
        Index in the flattened table of (i, j) with the opposite shift for each pair (j, i); padding refers to itself. With
        it derivatives are gathered, see `from_senders`.
    """

    senders: torch.Tensor
    shifts: torch.Tensor
    taken: torch.Tensor
    mirrors: torch.Tensor | None = None


def neighbor_table(
    edge_index: torch.Tensor,
    edge_shifts: torch.Tensor,
    n_atoms: int,
    *,
    ordered: bool = False,
    mirrors: torch.Tensor | None = None,
) -> NeighborTable:
    """Table of a list of pairs; K is the largest number of neighbours, for which the host waits.

    Parameters
    ----------
    edge_index : Tensor [2, E]
        Sender and receiver.
    edge_shifts : Tensor [E, 3]
        Whole cells.
    n_atoms : int
        Number of rows.
    ordered : bool
        Whether the list is sorted by receiver already.
    mirrors : Tensor [E], optional
        Index of each pair's mirror image in an ordered list.
    """
    senders, receivers = edge_index[0], edge_index[1]
    if not ordered:
        receivers, order = torch.sort(receivers, stable=True)
        senders, edge_shifts = senders.index_select(0, order), edge_shifts.index_select(0, order)
    atoms = _indices(n_atoms + 1, receivers)
    first = torch.searchsorted(receivers, atoms)
    counts = first.diff()
    # A tracer needs the tensor: a number would become a constant of the trace.
    n_columns: Any = counts.max() if torch.jit.is_tracing() else int(counts.max())
    place = _indices(receivers.shape[0], receivers)
    place = place + (atoms * n_columns - first).index_select(0, receivers)
    size, shape = n_atoms * n_columns, (n_atoms, n_columns)
    table = NeighborTable(
        receivers.new_zeros(size).index_copy(0, place, senders).unflatten(0, shape),
        edge_shifts.new_zeros((size, 3)).index_copy(0, place, edge_shifts).unflatten(0, shape),
        _indices(n_columns, receivers) < counts[:, None],
    )
    if mirrors is None:
        return table
    itself = torch.arange(size, device=receivers.device)
    return table._replace(mirrors=itself.index_copy(0, place, place.index_select(0, mirrors)).unflatten(0, shape))


def _indices(count: Any, like: torch.Tensor) -> torch.Tensor:
    """0, 1, ... on the device of another tensor; a trace would remember the device of an arange."""
    if torch.jit.is_tracing():
        return like.new_ones(count).cumsum(0) - 1
    return torch.arange(count, device=like.device)


class _FromSenders(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, senders: torch.Tensor, mirrors: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(mirrors)
        return values.index_select(0, senders.flatten()).unflatten(0, senders.shape)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (mirrors,) = ctx.saved_tensors
        received = gradient.flatten(0, 1).index_select(0, mirrors.flatten())
        return received.unflatten(0, mirrors.shape).sum(1), None, None


def from_senders(values: torch.Tensor, table: NeighborTable) -> torch.Tensor:
    """Values of the senders [N, K, ...] from values [N, ...] of all atoms.

    The derivative of an atom's value is a sum over the pairs that it is the sender of, which a GPU would add in an undefined
    order. With mirror images these pairs are those of the atom's row: the same sum is then taken along rows, always in the
    same order. Nothing may depend on the values of padding.
    """
    if table.mirrors is not None:
        return _FromSenders.apply(values, table.senders, table.mirrors)
    return values.index_select(0, table.senders.flatten()).unflatten(0, table.senders.shape)


def table_vectors(
    positions: torch.Tensor,
    table: NeighborTable,
    cell: torch.Tensor | None,
    batch: torch.Tensor | None,
    beyond: float,
) -> torch.Tensor:
    """Vectors r_j + shift @ cell - r_i [N, K, 3] (A) in the positions' precision; those of padding have length ``beyond``."""
    vectors = from_senders(positions, table) - positions[:, None]
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
    """Vectors r_j + shift @ cell - r_i [E, 3] (A) of a list of pairs, in the positions' precision."""
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
