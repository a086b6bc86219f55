"""The layers of the network: density of the neighbours, messages between atoms, products on each atom.

Features of atoms are arrays [(l_max + 1)^2, N, channels]: components first, so that every operation on atoms is one
matrix product over all of them. Only two operations run over pairs: the density and the message.
"""

from __future__ import annotations

import math

import torch

from openmm_polarmp.models._angular import components, coupling, natural_paths, slice_of
from openmm_polarmp.models._constants import ExactConstants


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


class Density(torch.nn.Module):
    """Neighbours' density around each atom, resolved by element: sum_j R_(z_j, c, l)(r_ij) Y_lm(r_ij).

    The radial functions are combinations of a common basis, so the sum over pairs is done once, in the basis, and the
    channels are made from it on the atoms: the cost over pairs does not depend on the number of channels.
    """

    def __init__(self, n_species: int, n_radial: int, l_max: int, channels: int, average_neighbors: float) -> None:
        super().__init__()
        self.n_species, self.l_max = n_species, l_max
        self.scale = 1.0 / math.sqrt(average_neighbors)
        self.mixing = ChannelMixing(l_max, [n_species * n_radial] * (l_max + 1), channels)

    def forward(self, radial, harmonics, sender, receiver, kind):
        n_atoms, n_radial = kind.shape[0], radial.shape[1]
        n_components = harmonics.shape[1]
        pairs = (harmonics[:, :, None] * radial[:, None, :]).flatten(1)
        slot = receiver * self.n_species + kind.index_select(0, sender)
        sums = pairs.new_zeros(n_atoms * self.n_species, pairs.shape[1]).index_add(0, slot, pairs)
        sums = sums.view(n_atoms, self.n_species, n_components, n_radial).permute(2, 0, 1, 3)
        sums = self.scale * sums.reshape(n_components, n_atoms, self.n_species * n_radial)
        return self.mixing([sums[slice_of(l)] for l in range(self.l_max + 1)])


class Message(torch.nn.Module):
    """Channel-wise tensor product of the senders' scalars and vectors with Y, weighted by learned radial functions.

    With s = n . v (n the direction to the sender, v its vectors) and h its scalars, the message of degree l is
    Y_l (h R_l + s R'_l), and that of degree 1 also has v R''. These span the couplings of scalars and vectors with Y
    into Y_l and v, and no matrix per pair is formed.
    """

    def __init__(
        self, n_radial: int, hidden: int, l_in: int, l_max: int, channels: int, average_neighbors: float
    ) -> None:
        super().__init__()
        self.l_in, self.l_max, self.channels = l_in, l_max, channels
        self.scale = 1.0 / math.sqrt(average_neighbors)
        self.n_functions = (l_max + 1) * (1 + l_in) + l_in
        degree = [l for l in range(l_max + 1) for _ in range(2 * l + 1)]
        self.register_buffer("degree", torch.tensor(degree), persistent=False)
        self.radial_in = torch.nn.Linear(n_radial, hidden, bias=False)
        self.radial_out = torch.nn.Linear(hidden, self.n_functions * channels, bias=False)

    def forward(self, features, radial, harmonics, sender, receiver):
        n_atoms, n_pairs, n_degrees = features.shape[1], sender.shape[0], self.l_max + 1
        # No bias: silu(0) = 0 keeps the weights at zero, and smooth, where the radial functions end.
        weights = self.radial_out(torch.nn.functional.silu(self.radial_in(radial)))
        weights = weights.view(n_pairs, self.n_functions, self.channels)
        by_atom = features.permute(1, 0, 2).reshape(n_atoms, -1)
        sent = by_atom.index_select(0, sender).view(n_pairs, components(self.l_in), self.channels)
        if self.l_in == 0:
            amplitude = sent * weights
        else:
            scalars, vectors = sent.split((1, 3), dim=1)
            for_scalars, for_vectors, carried = weights.split((n_degrees, n_degrees, 1), dim=1)
            along = (harmonics[:, 1:4, None] * vectors).sum(1, keepdim=True) / math.sqrt(3.0)
            amplitude = scalars * for_scalars + along * for_vectors
        sums = self._sum(harmonics[:, :, None] * amplitude.index_select(1, self.degree), n_atoms, receiver)
        if self.l_in > 0:
            vectors = self._sum(vectors * carried, n_atoms, receiver)
            sums = sums + torch.nn.functional.pad(vectors, (0, 0, 1, components(self.l_max) - 4))
        return self.scale * sums.permute(1, 0, 2)

    def _sum(self, pairs, n_atoms: int, receiver) -> torch.Tensor:
        sums = pairs.new_zeros(n_atoms, pairs.shape[1] * self.channels).index_add(0, receiver, pairs.flatten(1))
        return sums.unflatten(1, (pairs.shape[1], self.channels))


class Products(ExactConstants):
    """Products of an atom's density with itself, up to ``correlation`` factors: 3-body, 4-body, ... functions."""

    def __init__(self, l_max: int, l_out: int, channels: int, correlation: int) -> None:
        super().__init__()
        self.l_max, self.l_out, self.correlation = l_max, l_out, correlation
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
                    paths = [(a, b) for a, b in paths if a <= b]  # the same density twice: (a, b) repeats (b, a)
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

    def forward(self, density: torch.Tensor) -> torch.Tensor:
        """Functions [(l_out + 1)^2, N, channels] of the density [(l_max + 1)^2, N, channels]."""
        n_components, n_atoms, channels = density.shape
        gathered = [[density[slice_of(l)]] for l in range(self.l_out + 1)]
        power = density
        for factors in range(2, self.correlation + 1):
            pairs = power[:, None] * density[None, :]
            coupled = getattr(self, f"couplings{factors}") @ pairs.view(n_components * n_components, n_atoms * channels)
            row, degrees = 0, []
            for l, count in enumerate(self.counts[factors - 2]):
                block = coupled[row : row + count * (2 * l + 1)].view(count, 2 * l + 1, n_atoms, channels)
                degrees.append(block.permute(1, 2, 0, 3).reshape(2 * l + 1, n_atoms, count * channels))
                row += count * (2 * l + 1)
            for l in range(self.l_out + 1):
                gathered[l].append(degrees[l])
            if factors < self.correlation:
                power = self.between[factors - 2](degrees)
        return self.mixing([torch.cat(parts, dim=2) for parts in gathered])


class Gate(torch.nn.Module):
    """Nonlinearity: scalars pass through silu, each higher degree is multiplied by functions of the scalars."""

    def __init__(self, l_max: int, channels: int) -> None:
        super().__init__()
        self.l_max, self.channels = l_max, channels
        self.linear = torch.nn.Linear(channels, (l_max + 1) * channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        gates = self.linear(features[0]).view(-1, self.l_max + 1, self.channels)
        scalars = torch.nn.functional.silu(gates[:, 0])[None]
        higher = [features[slice_of(l)] * torch.sigmoid(gates[:, l])[None] for l in range(1, self.l_max + 1)]
        return torch.cat([scalars, *higher])
