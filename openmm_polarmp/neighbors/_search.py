"""All pairs within a cutoff, by a cell list in torch operations: any device, any triclinic cell, all images.

Measured for 10,000 atoms, 5.5 A, 700,000 pairs, two CPU cores: 135 ms; vesin 0.6 43 ms, nvalchemi-toolkit-ops 51 ms
(one core), matscipy 99 ms. Pairs are searched once in ten to twenty steps of a second or more, so that the faster ones
would save less than one percent, which is not worth a dependency.

On a GPU the host waits twice in a search: for the number of candidates (and whether positions are finite) and for the
number of pairs.

The functions below `neighbor_pairs` are also compiled by TorchScript (see `openmm_polarmp.torchforce`), which restricts
their style.
"""

from __future__ import annotations

import torch

from openmm_polarmp.neighbors._bins import Bins, bins_around_cluster, make_bins

# Expected number of neighbours of an atom; water has 50 within 5 A. A box with more has collapsed, or is in another unit.
MOST_NEIGHBORS = 3000


def neighbor_pairs(
    positions: torch.Tensor, cutoff: float, cell: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Directed pairs (j, i) closer than the cutoff, in a box or, without a cell, in a cluster.

    Parameters
    ----------
    positions : Tensor [N, 3]
        A; atoms may lie outside of the box.
    cutoff : float
        A. In a box thinner than twice the cutoff an atom has several images of another, and of itself, as neighbours.
    cell : Tensor [3, 3], optional
        Rows are the box vectors, A; best in the host's memory, where the inverse is computed.

    Returns
    -------
    edge_index : Tensor [2, E]
        Row 0 the sender j, row 1 the receiver i; sorted by receiver.
    edge_shifts : Tensor [E, 3]
        Whole cells: r_j + shift @ cell - r_i is the displacement.
    """
    if cell is not None:
        check_density(len(positions), cutoff, cell)
    return directed_pairs(positions.detach().double(), float(cutoff), cell)


def check_density(n_atoms: int, cutoff: float, cell: torch.Tensor) -> None:
    """ValueError if a box of finite volume is too small for its atoms."""
    vectors = cell.detach().cpu().double()
    volume = abs(float(torch.linalg.det(vectors)))
    expected = n_atoms * 4.19 * cutoff**3 / volume if volume > 0 else float("inf")
    if not expected <= MOST_NEIGHBORS:
        lengths = ", ".join(f"{float(v.norm()):.3g}" for v in vectors)
        raise ValueError(
            f"cell has box vectors of {lengths} A, with {expected:.3g} neighbors within {cutoff:g} A for each of the "
            f"{n_atoms} atoms; at most {MOST_NEIGHBORS} neighbors are accepted"
        )


def directed_pairs(
    positions: torch.Tensor,
    cutoff: float,
    cell: torch.Tensor | None,
    bins_per_cutoff: int = 2,
    candidates: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`neighbor_pairs` of positions in float64, unchecked; see `make_bins` and `half_pairs` for the last two arguments."""
    if cell is None:
        bins = bins_around_cluster(positions, cutoff, bins_per_cutoff)
    else:
        box = cell.detach().cpu().double()
        bins = make_bins(box, None, positions.shape[0], cutoff, positions.device, bins_per_cutoff)
    a, b, shifts = half_pairs(positions, cutoff, bins, candidates)
    index, shifts, _ = both_directions(a, b, shifts)
    return index, shifts


def both_directions(
    a: torch.Tensor, b: torch.Tensor, shifts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs (receiver, sender, shift) and their mirror images, sorted by receiver.

    The third result is the order of the sort, in which the mirror image of pair k is k plus or minus the number of pairs.
    """
    receivers, order = torch.sort(torch.cat([a, b]), stable=True, dim=0)
    senders = torch.cat([b, a]).index_select(0, order)
    return torch.stack([senders, receivers]), torch.cat([shifts, -shifts]).index_select(0, order), order


def mirror_images(order: torch.Tensor) -> torch.Tensor:
    """Index of the mirror image of each pair, from the third result of `both_directions`."""
    size = order.shape[0]
    sorted_at = torch.empty_like(order).index_copy(0, order, torch.arange(size, device=order.device))
    return torch.cat([sorted_at[size // 2 :], sorted_at[: size // 2]]).index_select(0, order)


def half_pairs(
    positions: torch.Tensor, cutoff: float, bins: Bins, candidates: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs (receiver, sender, shift), each in one direction.

    ``candidates`` is the number of candidates that are tested together, which bounds the memory of large systems; 0: a
    number that suits the device.

    Raises
    ------
    FloatingPointError
        If a position is not a finite number (as a RuntimeError from TorchScript).
    """
    n_atoms = positions.shape[0]
    if n_atoms == 0:
        none = torch.zeros([0], dtype=torch.long, device=positions.device)
        return none, none, torch.zeros([0, 3], dtype=torch.long, device=positions.device)
    fractional = (positions - bins.origin) @ bins.inverse
    wraps = torch.floor(fractional)
    # A coordinate of -1e-17 would wrap to exactly 1: keep it in the last bin.
    fractional = (fractional - wraps).clamp(0, 1 - 1e-15)
    # NaN positions get a bin too: they are noticed only when the candidates have been counted.
    number = (torch.floor(fractional * bins.along) @ bins.strides).long().clamp(0, bins.number - 1)
    number, order = torch.sort(number, stable=True, dim=0)
    points = (fractional @ bins.box).index_select(0, order)
    first_in = torch.searchsorted(number, torch.arange(bins.number + 2, device=positions.device))
    places_of_atoms = bins.place.index_select(0, number)
    first = first_in.index_select(0, bins.bin_at)
    last = first_in.index_select(0, bins.bin_at + 1)

    if candidates == 0:
        candidates = 8_000_000 if positions.is_cuda else 2_000_000
    expected = 1 + bins.around.shape[0] * n_atoms / bins.number
    step = max(1, int(candidates / expected))
    total = positions.sum()
    receivers: list[torch.Tensor] = []
    senders: list[torch.Tensor] = []
    places: list[torch.Tensor] = []
    for start in range(0, n_atoms, step):
        pairs = search(points, places_of_atoms, first, last, bins, cutoff, start, min(start + step, n_atoms), total)
        receivers.append(pairs[0])
        senders.append(pairs[1])
        places.append(pairs[2])
    receiver, sender, place = torch.cat(receivers), torch.cat(senders), torch.cat(places)
    a, b = order.index_select(0, receiver), order.index_select(0, sender)
    wraps = wraps.long()
    # Shifts between the unwrapped positions, from those between the wrapped ones.
    shifts = bins.images.index_select(0, place) + wraps.index_select(0, a) - wraps.index_select(0, b)
    return a, b, shifts


def search(
    points: torch.Tensor,
    places_of_atoms: torch.Tensor,
    first: torch.Tensor,
    last: torch.Tensor,
    bins: Bins,
    cutoff: float,
    start: int,
    stop: int,
    total: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs of the sorted atoms ``start`` to ``stop`` with the atoms around: receivers, senders, the senders' places."""
    around = places_of_atoms[start:stop, None] + bins.around
    begin, end = first[around], last[around]
    begin[:, 0] = torch.arange(start + 1, stop + 1, device=points.device)  # in the atom's bin only those after it
    counts = (end - begin).flatten()
    until = counts.cumsum(0)
    on_host: list[float] = torch.stack([until[-1].double(), total]).tolist()
    if not abs(on_host[1]) < float("inf"):
        raise FloatingPointError("a position is not a finite number")
    n_candidates = int(on_host[0])
    row = torch.repeat_interleave(counts, output_size=n_candidates)
    before = (begin.flatten() - until + counts).index_select(0, row)
    sender = torch.arange(n_candidates, device=points.device) + before
    receiver = torch.div(row, bins.around.shape[0], rounding_mode="floor") + start
    place = around.flatten().index_select(0, row)
    vectors = points.index_select(0, sender) - points.index_select(0, receiver) + bins.moves.index_select(0, place)
    near = (vectors.square().sum(1) < cutoff**2).nonzero()[:, 0]
    return receiver.index_select(0, near), sender.index_select(0, near), place.index_select(0, near)
