"""The layers of the network: density of the neighbours, messages between atoms, products on each atom.

Features of atoms are arrays [(l_max + 1)^2, N, channels]: components first, so that every operation on atoms is one
matrix product over all of them. Pairs are arrays [N, K, ...]: the K neighbours of each atom, with padding.

The radial functions are combinations of a common basis B_n, so the sum over pairs is taken once, in the basis,

    X_i[lm, n, f] = sum_j Y_lm(r_ij) B_n(r_ij) f_j

as one small matrix product for each atom; weights, couplings and channels come afterwards, on atoms. Only Y B and the
senders' features f are computed for pairs, of which there are 40 times as many.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from openmm_polarmp._cpu_loops import computes_in_loops
from openmm_polarmp.models._angular import coupling, slice_of
from openmm_polarmp.models._constants import ExactConstants
from openmm_polarmp.models.couplings import components, natural_paths
from openmm_polarmp.models.density_sums import DensitySums
from openmm_polarmp.models.pair_functions import PairFunctions
from openmm_polarmp.models.sparse_products import SparseProducts

if TYPE_CHECKING:
    from typing_extensions import Self

Coupling = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def split_degrees(features: torch.Tensor, l_max: int) -> list[torch.Tensor]:
    """Features [(l_max + 1)^2, ...] cut into one tensor for each degree."""
    return list(features.split([2 * l + 1 for l in range(l_max + 1)]))


class ChannelMixing(torch.nn.Module):
    """One linear map of the channels for each degree l."""

    def __init__(self, l_max: int, in_channels: list[int], out_channels: int) -> None:
        super().__init__()
        self.l_max = l_max
        self.weights = torch.nn.ParameterList(
            [torch.nn.Parameter(torch.randn(n, out_channels) / math.sqrt(n)) for n in in_channels]
        )

    def forward(self, degrees: list[torch.Tensor]) -> torch.Tensor:
        """Map [2 l + 1, N, in_channels[l]] of each l to [(l_max + 1)^2, N, out_channels]."""
        return torch.cat([x @ weight for x, weight in zip(degrees, self.weights, strict=True)])


class PairSums(torch.nn.Module):
    """X_i[lm, n, f] = sum_j Y_lm(r_ij) B_n(r_ij) f_j as one matrix product for each atom."""

    def __init__(self, l_max: int, n_radial: int) -> None:
        super().__init__()
        self.l_max, self.n_radial = l_max, n_radial

    def forward(self, functions: PairFunctions, sent: torch.Tensor, parts: int) -> torch.Tensor:
        """X [parts, (l_max + 1)^2, N, n_radial F] from Y and B of the pairs and f [N, K, parts F]."""
        sums = functions.products().transpose(1, 2) @ sent
        sums = sums.unflatten(2, (parts, sent.shape[2] // parts)).unflatten(1, (components(self.l_max), self.n_radial))
        return sums.permute(3, 1, 0, 2, 4).flatten(3)


class Density(ExactConstants):
    """Neighbours' density around each atom, resolved by element: sum_j R_(z_j, c, l)(r_ij) Y_lm(r_ij)."""

    one_hot: torch.Tensor

    def __init__(self, n_species: int, n_radial: int, l_max: int, channels: int) -> None:
        super().__init__()
        self.l_max = l_max
        self.constant("one_hot", torch.eye(n_species, dtype=torch.float64))
        self.pair_sums = PairSums(l_max, n_radial)
        self.mixing = ChannelMixing(l_max, [n_species * n_radial] * (l_max + 1), channels)

    def forward(self, functions: PairFunctions, kinds: torch.Tensor) -> torch.Tensor:
        """Density [(l_max + 1)^2, N, channels] from the functions of pairs and the senders' kinds [N, K]."""
        if computes_in_loops(functions.radial):
            sums = DensitySums(kinds, components(self.l_max), self.pair_sums.n_radial, len(self.one_hot))
            density = sums(functions.harmonics, functions.radial)
        else:
            density = self.pair_sums(functions, self.one_hot[kinds], 1)[0]
        return self.mixing(split_degrees(density, self.l_max))


class Message(ExactConstants):
    """Tensor product of the senders' scalars and vectors with Y, weighted by learned radial functions."""

    couplings: torch.Tensor

    def __init__(self, n_radial: int, l_in: int, l_max: int, in_channels: int, channels: int) -> None:
        super().__init__()
        self.l_in, self.l_max = l_in, l_max
        self.pair_sums = PairSums(l_max, n_radial)
        self.paths: list[int] = []  # number of couplings of vectors with Y to each degree
        blocks = []
        for l3 in range(l_max + 1):
            lower = [l2 for _, l2 in natural_paths(range(1, l_in + 1), range(l_max + 1), l3)]
            self.paths.append(len(lower))
            for l2 in lower:
                block = torch.zeros(3, components(l_max), 2 * l3 + 1, dtype=torch.float64)
                block[:, slice_of(l2)] = coupling(1, l2, l3)
                blocks.append(block.flatten(0, 1).t())
        if blocks:
            self.constant("couplings", torch.cat(blocks))
        width = n_radial * in_channels
        self.mixing = ChannelMixing(l_max, [width * (1 + n) for n in self.paths], channels)

    def forward(self, functions: PairFunctions, sent: torch.Tensor) -> torch.Tensor:
        """Messages [(l_max + 1)^2, N, channels] from the senders' features [N, K, (l_in + 1)^2 in_channels]."""
        sums = self.pair_sums(functions, sent, components(self.l_in))
        scalars, vectors = sums.split((1, components(self.l_in) - 1))
        degrees = [[x] for x in split_degrees(scalars[0], self.l_max)]
        if self.l_in > 0:
            _, _, n_atoms, width = vectors.shape
            coupled = self.couplings @ vectors.flatten(0, 1).flatten(1)
            sizes = [2 * l + 1 for l, count in enumerate(self.paths) for _ in range(count)]
            rows = iter(coupled.view(-1, n_atoms, width).split(sizes))
            for l, count in enumerate(self.paths):
                degrees[l] += [next(rows) for _ in range(count)]
        return self.mixing([torch.cat(parts, dim=2) for parts in degrees])


class Products(ExactConstants):
    """Products of an atom's density with itself, up to ``correlation`` factors: 3-body, 4-body, ... functions."""

    def __init__(self, l_max: int, l_out: int, channels: int, correlation: int) -> None:
        super().__init__()
        self.l_max, self.l_out, self.channels, self.correlation = l_max, l_out, channels, correlation
        self._make_coupling: Callable[[torch.Tensor, int, torch.Tensor], Coupling] | None = None
        self._coupling: dict[str, Coupling] = {}  # empty: own products, sparse or dense
        self._sparse: dict[str, SparseProducts] = {}
        self.counts: list[list[int]] = []
        self.between = torch.nn.ModuleList()
        inputs = [channels] * (l_out + 1)
        for factors in range(2, correlation + 1):
            last = factors == correlation
            l_top = l_out if last else l_max
            blocks, count = [], []
            for l3 in range(l_top + 1):
                paths = natural_paths(range(l_max + 1), range(l_max + 1), l3)
                if factors == 2:
                    paths = [(a, b) for a, b in paths if a <= b]  # the product is symmetric: (b, a) repeats (a, b)
                count.append(len(paths))
                for l1, l2 in paths:
                    block = torch.zeros(components(l_max), components(l_max), 2 * l3 + 1, dtype=torch.float64)
                    block[slice_of(l1), slice_of(l2)] = coupling(l1, l2, l3)
                    blocks.append(block)
            self.counts.append(count)
            self.constant(f"couplings{factors}", torch.cat(blocks, dim=2).flatten(0, 1).t().contiguous())
            if not last:
                self.between.append(ChannelMixing(l_max, [n * channels for n in count], channels))
            inputs = [n + channels * m for n, m in zip(inputs, count, strict=False)]
        self.mixing = ChannelMixing(l_out, inputs, channels)

    def couple_with(self, make: Callable[[torch.Tensor, int, torch.Tensor], Coupling] | None) -> None:
        """Set the backend of the products; None: the own ones. See `openmm_polarmp.models.tensor_products`."""
        self._make_coupling = make
        self._coupling = {}
        if make is not None:
            for name, couplings in self._exact.items():
                self._coupling[name] = make(couplings, self.channels, getattr(self, name))

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self.couple_with(self._make_coupling)  # in the new precision, on the new device
        return self

    def _couple(self, name: str, power: torch.Tensor, density: torch.Tensor) -> torch.Tensor:
        """sum_ij C[k, i, j] power[i] density[j], as [rows of C, N channels]."""
        if name in self._coupling:
            return self._coupling[name](power, density)
        if computes_in_loops(density):
            if name not in self._sparse:
                self._sparse[name] = SparseProducts.of(self._exact[name])
            return self._sparse[name](power.flatten(1), density.flatten(1))
        pairs = power[:, None] * density[None, :]
        return getattr(self, name) @ pairs.flatten(0, 1).flatten(1)

    def forward(self, density: torch.Tensor) -> torch.Tensor:
        """Functions [(l_out + 1)^2, N, channels] of the density [(l_max + 1)^2, N, channels]."""
        gathered = [[x] for x in split_degrees(density, self.l_max)[: self.l_out + 1]]
        power = density
        for factors in range(2, self.correlation + 1):
            coupled = self._couple(f"couplings{factors}", power, density)
            sizes = [count * (2 * l + 1) for l, count in enumerate(self.counts[factors - 2])]
            degrees = []
            for l, block in enumerate(coupled.split(sizes)):
                count = self.counts[factors - 2][l]
                block = block.view(count, 2 * l + 1, -1, self.channels).permute(1, 2, 0, 3)
                degrees.append(block.flatten(2))
            for l in range(self.l_out + 1):
                gathered[l].append(degrees[l])
            if factors < self.correlation:
                power = self.between[factors - 2](degrees)
        return self.mixing([torch.cat(parts, dim=2) for parts in gathered])


class Gate(torch.nn.Module):
    """Nonlinearity: silu of the scalars, and sigmoid functions of the scalars times each higher degree."""

    def __init__(self, l_max: int, channels: int) -> None:
        super().__init__()
        self.l_max, self.channels = l_max, channels
        self.linear = torch.nn.Linear(channels, (l_max + 1) * channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features of the same shape, [(l_max + 1)^2, N, channels]."""
        gates = self.linear(features[0]).view(-1, self.l_max + 1, self.channels)
        degrees = split_degrees(features, self.l_max)
        scalars = torch.nn.functional.silu(gates[:, 0])[None]
        higher = [degrees[l] * torch.sigmoid(gates[:, l])[None] for l in range(1, self.l_max + 1)]
        return torch.cat([scalars, *higher])


def limited(density: torch.Tensor, l_max: int, limit: float | None) -> torch.Tensor:
    """Density [(l_max + 1)^2, N, C], scaled smoothly so that no channel's norm in any degree exceeds the limit.

    The products grow as a power of the density, and those of the next layer as a power of that: without a limit atoms
    that come closer than in the training data make features a thousand times as large as usual.
    """
    if limit is None:
        return density
    return torch.cat([x * torch.rsqrt(1 + (x / limit).square().sum(0)) for x in split_degrees(density, l_max)])


class FirstLayer(torch.nn.Module):
    """Density of the neighbours and its products."""

    def __init__(self, density: Density, products: Products, density_limit: float | None) -> None:
        super().__init__()
        self.density, self.products, self.density_limit = density, products, density_limit
        self.gate = Gate(products.l_out, products.channels)
        self.l_out = products.l_out

    def forward(
        self, functions: PairFunctions, kinds: torch.Tensor, embedding: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Density [(l_max + 1)^2, N, C] and features [(l_out + 1)^2, N, C] from the embedding [1, N, C] of the atoms."""
        density = self.density(functions, kinds) * (1 + 0.5 * embedding)
        density = limited(density, self.products.l_max, self.density_limit)
        scalars = torch.nn.functional.pad(embedding, (0, 0, 0, 0, 0, components(self.l_out) - 1))
        return density, self.gate(self.products(density) + scalars)


class MessageLayer(torch.nn.Module):
    """Messages, joined with the first layer's density and the atom's features, and their products."""

    def __init__(self, message: Message, products: Products, l_features: int, density_limit: float | None) -> None:
        super().__init__()
        self.message, self.products, self.l_features = message, products, l_features
        self.density_limit = density_limit
        self.gate = Gate(products.l_out, products.channels)
        self.l_out = products.l_out
        c = products.channels
        self.join = ChannelMixing(
            products.l_max, [c * (3 if l <= l_features else 2) for l in range(products.l_max + 1)], c
        )

    def forward(
        self, functions: PairFunctions, sent: torch.Tensor, density: torch.Tensor, features: torch.Tensor
    ) -> tuple[torch.Tensor]:
        """New features [(l_out + 1)^2, N, C], alone in a tuple."""
        message = self.message(functions, sent)
        parts = [split_degrees(x, self.products.l_max) for x in (message, density)]
        parts.append(split_degrees(features, self.l_features))
        joined = [torch.cat([p[l] for p in parts if l < len(p)], dim=2) for l in range(self.products.l_max + 1)]
        joined_density = limited(self.join(joined), self.products.l_max, self.density_limit)
        return (self.gate(self.products(joined_density)),)
