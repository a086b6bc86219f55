"""A layer on some of the atoms at a time.

What a layer keeps for its backward pass is much larger than what goes in and comes out. On the CPU it does not fit into
caches, and the operating system hands out its memory page by page at each step: there large systems run in chunks of
atoms, whose intermediate results are forgotten and computed once more in the backward pass. Measured on one CPU core
(two layers, 32 channels, ms for both passes, whole / in chunks of 384): 165 / 209 for 1,000 atoms, 566 / 543 for 3,000,
3422 / 2122 for 10,000. On a GPU chunks save no time, only memory: they are for what would not fit otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint

from openmm_polarmp.models.config import NetworkConfig

CHUNKS_FROM, CHUNK = 2500, 384  # atoms on the CPU
SHARE_OF_MEMORY = 0.7  # of what is free on a GPU; the rest is for what fits between blocks that are taken
KEPT = 500  # bytes of a pair outside of the layers: vectors in double precision, radial functions, harmonics


def bytes_per_atom(config: NetworkConfig, neighbors: int) -> float:
    """Memory of both passes at its peak, for each atom, in single precision.

    Fitted to what torch allocates on the CPU; between 0.9 and 1.6 times as much (the tests count again).
    """
    components = (config.l_max + 1) ** 2
    pair = KEPT + 8 * components * config.n_radial  # its functions and their derivatives
    pair += (config.layers - 1) * 4 * (config.l_message + 1) ** 2 * config.message_channels  # messages
    return pair * neighbors + 12 * components**2 * config.channels  # and the products of densities


def atoms_at_once(config: NetworkConfig, n_atoms: int, neighbors: int, weight: torch.Tensor) -> int:
    """How many atoms a layer takes at once, in evaluations; ``weight`` has the network's device and precision."""
    if weight.device.type == "cpu":
        return CHUNK if n_atoms >= CHUNKS_FROM else max(1, n_atoms)
    if weight.device.type != "cuda":
        return max(1, n_atoms)
    free, _ = torch.cuda.mem_get_info(weight.device)
    free += torch.cuda.memory_reserved(weight.device) - torch.cuda.memory_allocated(weight.device)
    return fitting(config, n_atoms, neighbors, SHARE_OF_MEMORY * free, weight.element_size())


def fitting(config: NetworkConfig, n_atoms: int, neighbors: int, memory: float, element_size: int = 4) -> int:
    """All atoms if memory (bytes) is enough for them, else as many as fit beside what is kept of all."""
    size = element_size / 4 * bytes_per_atom(config, neighbors)
    if n_atoms * size <= memory:
        return max(1, n_atoms)
    rest = memory - n_atoms * KEPT * neighbors
    return max(1000, min(int(rest / size), n_atoms))


def pair_functions(radial: torch.Tensor, harmonics: torch.Tensor) -> torch.Tensor:
    """Y_lm B_n of each pair, [N, K, (l_max + 1)^2 n_radial]."""
    return (harmonics[:, :, :, None] * radial[:, :, None, :]).flatten(2)


def run_layer(
    layer: Callable[..., tuple[torch.Tensor, ...]], radial: torch.Tensor, harmonics: torch.Tensor, *more: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """``layer(pair_functions, *more)``"""
    return layer(pair_functions(radial, harmonics), *more)


def in_chunks(
    run: Callable[..., tuple[torch.Tensor, ...]],
    layer: Callable[..., tuple[torch.Tensor, ...]],
    atoms_per_chunk: int,
    radial: torch.Tensor,
    harmonics: torch.Tensor,
    by_pair: torch.Tensor,
    *by_atom: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """`run_layer` (or what was compiled of it) with atoms on dimension 0 of pairs, 1 of features and results."""
    pieces = zip(
        *(x.split(atoms_per_chunk) for x in (radial, harmonics, by_pair)),
        *(x.split(atoms_per_chunk, dim=1) for x in by_atom),
        strict=True,
    )
    results = [checkpoint(run, layer, *piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]
    return tuple(torch.cat(parts, dim=1) for parts in zip(*results, strict=True))
