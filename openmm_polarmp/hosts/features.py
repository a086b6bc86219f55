"""Scalars, vectors and tensors from features in the layout of e3nn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

PARITY = (1, -1, 1)
"""Of the scalars, vectors and tensors that charges, dipoles and quadrupoles are made of: 0e, 1o and 2e."""


def multiplicities(irreps: Any) -> tuple[int, int, int]:
    """Numbers of 0e, 1o and 2e in ``e3nn.o3.Irreps``, or in what has the same items (multiplicity, (l, parity))."""
    counts = [0, 0, 0]
    for multiplicity, (l, parity) in irreps:
        if l <= 2 and parity == PARITY[l]:
            counts[l] += multiplicity
    return counts[0], counts[1], counts[2]


def split_irreps(features: torch.Tensor, irreps: Any) -> list[torch.Tensor]:
    """The features 0e, 1o and 2e of each atom; all others are left out.

    Parameters
    ----------
    features : Tensor [N, dim]
        In e3nn's layout: for each item of ``irreps`` the components of its first channel, of its second, and so on.
    irreps : e3nn.o3.Irreps

    Returns
    -------
    list of Tensor [2 l + 1, N, n_l]
        For l = 0, 1, 2.
    """
    parts: list[list[torch.Tensor]] = [[], [], []]
    start = 0
    for multiplicity, (l, parity) in irreps:
        width = multiplicity * (2 * l + 1)
        if l <= 2 and parity == PARITY[l] and multiplicity:
            block = features[:, start : start + width].unflatten(1, (multiplicity, 2 * l + 1))
            parts[l].append(block.permute(2, 0, 1))
        start += width
    return [
        torch.cat(blocks, 2) if blocks else features.new_zeros(2 * l + 1, features.shape[0], 0)
        for l, blocks in enumerate(parts)
    ]


def joined(layers: Sequence[Sequence[torch.Tensor]]) -> list[torch.Tensor]:
    """The features of several layers beside each other."""
    return [torch.cat(parts, 2) for parts in zip(*layers, strict=True)]
