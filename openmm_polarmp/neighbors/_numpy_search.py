"""Pairs within a short distance, by a cell list in NumPy, for code without torch."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray


def close_pairs(
    positions: NDArray[np.float64], reach: float, cell: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of atoms closer than ``reach``, in a box or, without a cell, in a cluster.

    Parameters
    ----------
    positions : array [N, 3]
        A; atoms may lie outside of the box.
    reach : float
        A. In a box thinner than twice this length an atom has several images of another, and of itself, as neighbours.
    cell : array [3, 3], optional
        Rows are the box vectors, A.

    Returns
    -------
    pairs : array [2, P]
        Every pair in both directions.
    distances : array [P]
        A.
    """
    if len(positions) == 0:
        return np.zeros((2, 0), dtype=np.int64), np.zeros(0)
    periodic = cell is not None
    origin = np.zeros(3) if periodic else positions.min(0)
    box = np.array(cell) if periodic else np.diag(positions.max(0) - origin + 1e-3 * reach)
    inverse = np.linalg.inv(box)
    heights = 1 / np.sqrt(np.square(inverse).sum(0))
    # Bins not thinner than the reach, where the box allows it, and not more of them than atoms.
    bins = np.clip((heights / reach).astype(np.int64), 1, max(1, round(len(positions) ** (1 / 3))))
    fractional = (positions - origin) @ inverse
    # A coordinate of -1e-17 would wrap to exactly 1: keep it in the last bin.
    fractional = np.clip(fractional - np.floor(fractional), 0, 1 - 1e-15) if periodic else fractional
    points, atom_bins = fractional @ box, (fractional * bins).astype(np.int64)
    linear = np.ravel_multi_index(atom_bins.T, bins)
    order = np.argsort(linear, kind="stable")
    counts = np.bincount(linear, minlength=bins.prod())
    starts = np.cumsum(counts) - counts
    around = np.ceil(reach / (heights / bins)).astype(int)
    if not periodic:
        around = np.minimum(around, bins - 1)
    pairs, distances = [], []
    for offset in itertools.product(*(range(-n, n + 1) for n in around)):
        images, there = np.divmod(atom_bins + offset, bins)
        target = np.ravel_multi_index(there.T, bins)
        candidates = counts[target] if periodic else counts[target] * (images == 0).all(1)
        receivers = np.repeat(np.arange(len(points)), candidates)
        within = np.arange(len(receivers)) - np.repeat(np.cumsum(candidates) - candidates, candidates)
        senders = order[starts[target][receivers] + within]
        vectors = points[senders] + images[receivers] @ box - points[receivers]
        lengths = np.sqrt(np.square(vectors).sum(1))
        near = lengths < reach
        if not any(offset):
            near &= senders != receivers
        pairs.append(np.stack([senders[near], receivers[near]]))
        distances.append(lengths[near])
    return np.concatenate(pairs, axis=1), np.concatenate(distances)
