"""Layers evaluated for chunks of atoms.

The intermediate results that a layer stores for its backward pass are much larger than its input and output. On the CPU they
do not fit into the caches, and the operating system allocates their memory page by page in each step. There large systems
are evaluated in chunks of atoms, whose intermediate results are discarded and computed again in the backward pass. Measured
on one CPU core (two layers, 32 channels, ms for both passes, whole / in chunks of 384): 165 / 209 for 1,000 atoms, 566 / 543
for 3,000, 3422 / 2122 for 10,000. On a GPU chunks save no time, only memory: they are for systems that would not fit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint

from openmm_polarmp.models.config import NetworkConfig
from openmm_polarmp.models.pair_functions import PairFunctions

CHUNKS_FROM, CHUNK = 2500, 384  # atoms on the CPU
SHARE_OF_MEMORY = 0.7  # of the free memory of a GPU; the rest allows for its fragmentation
KEPT = 500  # bytes of a pair outside of the layers: vectors in double precision, radial functions, harmonics


def bytes_per_atom(config: NetworkConfig, neighbors: int) -> float:
    """Peak memory of both passes for each atom, in single precision.

    Fitted to the memory that torch allocates on the CPU, of which it is 0.9 to 1.6 times (the tests check this).
    """
    components = (config.l_max + 1) ** 2
    pair = KEPT + 8 * components * config.n_radial  # pair functions and their derivatives
    pair += (config.layers - 1) * 4 * (config.l_message + 1) ** 2 * config.message_channels  # messages
    return pair * neighbors + 12 * components**2 * config.channels  # the last term: products of densities


def atoms_at_once(config: NetworkConfig, n_atoms: int, neighbors: int, weight: torch.Tensor) -> int:
    """Number of atoms in a chunk, in evaluations; ``weight`` has the network's device and precision."""
    if weight.device.type == "cpu":
        return CHUNK if n_atoms >= CHUNKS_FROM else max(1, n_atoms)
    if weight.device.type != "cuda":
        return max(1, n_atoms)
    free, _ = torch.cuda.mem_get_info(weight.device)
    free += torch.cuda.memory_reserved(weight.device) - torch.cuda.memory_allocated(weight.device)
    return fitting(config, n_atoms, neighbors, SHARE_OF_MEMORY * free, weight.element_size())


def fitting(config: NetworkConfig, n_atoms: int, neighbors: int, memory: float, element_size: int = 4) -> int:
    """Number of atoms in a chunk for a memory in bytes: all atoms if they fit, else those that fit beside all pairs."""
    size = element_size / 4 * bytes_per_atom(config, neighbors)
    if n_atoms * size <= memory:
        return max(1, n_atoms)
    for_layers = memory - n_atoms * KEPT * neighbors
    return max(1000, min(int(for_layers / size), n_atoms))


def run_layer(
    layer: Callable[..., tuple[torch.Tensor, ...]], radial: torch.Tensor, harmonics: torch.Tensor, *more: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """``layer(functions, *more)``: the pair functions are multiplied here, so that a checkpoint discards their products."""
    return layer(PairFunctions(radial, harmonics), *more)


def in_chunks(
    run: Callable[..., tuple[torch.Tensor, ...]],
    layer: Callable[..., tuple[torch.Tensor, ...]],
    atoms_per_chunk: int,
    radial: torch.Tensor,
    harmonics: torch.Tensor,
    by_pair: torch.Tensor,
    *by_atom: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Call `run_layer`, or its compiled form, for chunks of atoms: dimension 0 of pairs, 1 of features and results."""
    pieces = zip(
        *(x.split(atoms_per_chunk) for x in (radial, harmonics, by_pair)),
        *(x.split(atoms_per_chunk, dim=1) for x in by_atom),
        strict=True,
    )
    results = [checkpoint(run, layer, *piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]
    return tuple(torch.cat(parts, dim=1) for parts in zip(*results, strict=True))
