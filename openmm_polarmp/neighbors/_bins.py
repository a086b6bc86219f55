"""The bins of a cell list: a box cut into equal parts, with copies around it.

Everything that depends on the box alone is computed here, from numbers on the host, without waiting for a GPU. The functions
are also compiled by TorchScript (see `openmm_polarmp.torchforce`), which restricts their style.
"""

from __future__ import annotations

from typing import NamedTuple

import torch


class Bins(NamedTuple):
    """A box (the periodic one, or one around a cluster) in bins, with copies of the bins within the cutoff around it.

    Bins are numbered 0 to ``number`` - 1. Bins and their copies ("places") are numbered in a larger grid, in which the
    neighbours of every bin have the same offsets, and nothing has to be wrapped.
    """

    number: int
    origin: torch.Tensor  # [3], A
    box: torch.Tensor  # [3, 3], A
    inverse: torch.Tensor  # [3, 3]
    along: torch.Tensor  # [3] number of bins along each box vector
    strides: torch.Tensor  # [3] from a bin's indices to its number, in float64
    place: torch.Tensor  # [number] place of each bin
    around: torch.Tensor  # [M] offsets from a place to half of those that may hold neighbours; the first is 0
    bin_at: torch.Tensor  # [places] the bin of which this is a copy; outside of a cluster `number`, which is empty
    images: torch.Tensor  # [places, 3] whole cells between a bin and its copy
    moves: torch.Tensor  # [places, 3] the same in A


def bins_around_cluster(positions: torch.Tensor, cutoff: float, bins_per_cutoff: int = 2) -> Bins:
    """Bins for atoms without periodicity; the host waits for their extent."""
    if positions.shape[0] == 0:
        extent = torch.zeros([2, 3], dtype=torch.float64)
    else:
        extent = torch.stack([positions.amin(0), positions.amax(0)]).cpu()
    if not bool(torch.isfinite(extent).all()):
        raise FloatingPointError("a position is not a finite number")
    box = torch.diag(extent[1] - extent[0] + 1e-3 * cutoff)
    return make_bins(box, extent[0], positions.shape[0], cutoff, positions.device, bins_per_cutoff)


def make_bins(
    box: torch.Tensor,
    origin: torch.Tensor | None,
    n_atoms: int,
    cutoff: float,
    device: torch.device,
    bins_per_cutoff: int = 2,
) -> Bins:
    """Bins on ``device`` for a box [3, 3] in the host's memory, in float64; periodic unless it has an origin [3].

    Finer bins fit the sphere of the cutoff better, but there are more of them: 2 per cutoff are fastest for liquids.
    """
    periodic = origin is None
    inverse = torch.linalg.inv(box)
    heights: list[float] = (1 / inverse.square().sum(0).sqrt()).tolist()
    limit = max(1, int(n_atoms ** (1 / 3) + 0.5)) + 1  # about as many bins as atoms at most
    bins = [max(1, min(limit, int(bins_per_cutoff * h / cutoff))) for h in heights]
    reach = [int(cutoff * n / h) + 1 for n, h in zip(bins, heights)]  # noqa: B905  (TorchScript knows no strict)
    if not periodic:
        reach = [min(r, n - 1) for r, n in zip(reach, bins)]  # noqa: B905
    number = bins[0] * bins[1] * bins[2]
    sizes = [n + 2 * r for n, r in zip(bins, reach)]  # noqa: B905
    steps = torch.tensor([sizes[1] * sizes[2], sizes[2], 1])
    around = (half_of_the_bins_around(box, heights, bins, reach, cutoff) * steps).sum(1)

    axes = [torch.arange(-r, n + r, device=device) for n, r in zip(bins, reach)]  # noqa: B905
    copies = torch.cartesian_prod(axes[0], axes[1], axes[2])
    along, steps = torch.tensor(bins, device=device), steps.to(device)
    strides = torch.tensor([bins[1] * bins[2], bins[2], 1], device=device)
    images = torch.div(copies, along, rounding_mode="floor")
    bin_at = ((copies - images * along) * strides).sum(1)
    if not periodic:
        bin_at = torch.where((images == 0).all(1), bin_at, number)
    inside = [torch.arange(r, n + r, device=device) for n, r in zip(bins, reach)]  # noqa: B905
    place = (torch.cartesian_prod(inside[0], inside[1], inside[2]) * steps).sum(1)
    box_there = box.to(device)
    return Bins(
        number,
        torch.zeros(3, dtype=torch.float64, device=device) if origin is None else origin.to(device),
        box_there,
        inverse.to(device),
        along.double(),
        strides.double(),
        place,
        around.to(device),
        bin_at,
        images,
        images.double() @ box_there,
    )


def half_of_the_bins_around(
    box: torch.Tensor, heights: list[float], bins: list[int], reach: list[int], cutoff: float
) -> torch.Tensor:
    """Offsets [M, 3] of the bins that may hold neighbours of a bin's atoms, one of each pair +o, -o."""
    axes = [torch.arange(-r, r + 1) for r in reach]
    around = torch.cartesian_prod(axes[0], axes[1], axes[2])
    offsets = around[around.shape[0] // 2 :].double()  # the offsets are symmetric about 0, the middle one

    n_bins = torch.tensor(bins, dtype=torch.float64)
    edges = box / n_bins[:, None]
    side = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    radius = (torch.cartesian_prod(side, side, side) @ edges).square().sum(1).sqrt().max()
    between = (offsets @ edges).square().sum(1).sqrt() - 2 * radius
    if bool((box == torch.diag(box.diagonal())).all()):
        gaps = (offsets.abs() - 1).clamp(min=0) * (torch.tensor(heights, dtype=torch.float64) / n_bins)
        between = torch.maximum(between, gaps.square().sum(1).sqrt())
    return offsets[between <= cutoff].long()
