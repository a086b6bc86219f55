"""The equivariant transformer of SO3LR (J. T. Frank and others, Nat. Commun. 15, 6539 (2024)).

An atom has invariant features [F] and, for each degree, the 2 l + 1 components of one equivariant feature. Neighbours attend
to each other; the attention depends on their distance and on the norms of differences of their equivariant features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from openmm_polarmp.hosts.so3lr.config import SO3LRConfig


class Pairs(NamedTuple):
    """Neighbours within the network's cutoff, each pair once: most of the work on a pair is the same in both directions.

    Attributes
    ----------
    senders, receivers : Tensor [2 P]
        Of all pairs in one direction, then in the other.
    radial : Tensor [P, R]
        Radial basis.
    envelope : Tensor [P]
        Falls to zero at the cutoff.
    harmonics : Tensor [2, P, M]
        Spherical harmonics of all degrees, of the vector from receiver to sender.
    """

    senders: torch.Tensor
    receivers: torch.Tensor
    radial: torch.Tensor
    envelope: torch.Tensor
    harmonics: torch.Tensor


class BernsteinBasis(nn.Module):
    """Bernstein polynomials of exp(-decay r), evaluated through logarithms."""

    log_binomials: torch.Tensor
    decay: torch.Tensor
    _power: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        # In the file, because training used them as rounded to single precision.
        self.register_buffer("log_binomials", torch.zeros(size))
        self.register_buffer("decay", torch.ones(()))
        self.register_buffer("_power", torch.arange(size), persistent=False)

    def forward(self, distances: torch.Tensor) -> torch.Tensor:
        """[P, R] from distances [P] in A."""
        x = torch.exp(-self.decay * distances).clamp(1e-6, 1 - 1e-6)[:, None]
        backwards = len(self._power) - 1 - self._power
        return torch.exp(self.log_binomials + self._power * torch.log(x) + backwards * torch.log(1 - x))


class Filter(nn.Module):
    """Weights of a pair, from its radial basis and the norms of the difference of its equivariant features."""

    def __init__(self, config: SO3LRConfig) -> None:
        super().__init__()
        features = config.features
        self.of_distance = nn.Linear(config.n_radial, features)
        self.of_norms = nn.Linear(len(config.degrees), features // 4)
        self.output = nn.Linear(features + features // 4, features)

    def forward(self, radial: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
        """[P, F]."""
        by_distance, by_norms = self.output.weight.split(
            [self.of_distance.out_features, self.of_norms.out_features], dim=1
        )
        distance, norms = nn.functional.silu(self.of_distance(radial)), nn.functional.silu(self.of_norms(norms))
        return nn.functional.linear(distance, by_distance, self.output.bias) + nn.functional.linear(norms, by_norms)


class Attention(nn.Module):
    """Attention coefficients of pairs, in some heads.

    Parameters
    ----------
    config : SO3LRConfig
    heads : int
    """

    def __init__(self, config: SO3LRConfig, heads: int) -> None:
        super().__init__()
        width = config.features // heads
        self.shape = (heads, width)
        self.average_neighbors = config.average_neighbors
        self.filter = Filter(config)
        self.query = nn.Parameter(torch.randn(heads, width, width) / width**0.5)
        self.key = nn.Parameter(torch.randn(heads, width, width) / width**0.5)

    def forward(self, invariant: torch.Tensor, pairs: Pairs, norms: torch.Tensor) -> torch.Tensor:
        """[2, P, heads], with the envelope of the cutoff."""
        query = project(invariant, self.query).index_select(0, pairs.receivers)
        key = project(invariant, self.key).index_select(0, pairs.senders)
        products = (query * key).unflatten(0, (2, len(norms))) * self.filter(pairs.radial, norms)
        return products.unflatten(2, self.shape).sum(3) * (pairs.envelope / self.average_neighbors)[:, None]


class TransformerLayer(nn.Module):
    """Attention to the neighbours, then an exchange between invariant and equivariant features of each atom."""

    contraction: torch.Tensor
    _degree: torch.Tensor

    def __init__(self, config: SO3LRConfig) -> None:
        super().__init__()
        features, n_degrees = config.features, len(config.degrees)
        width = features // config.heads
        self.attention = Attention(config, config.heads)
        self.equivariant_attention = Attention(config, n_degrees)
        self.value = nn.Parameter(torch.randn(config.heads, width, width) / width**0.5)
        self.norm = nn.LayerNorm(features, eps=1e-6)
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(features, features), nn.SiLU(), nn.Linear(features, features))
        self.exchange = nn.Linear(features + n_degrees, features + n_degrees)
        self.final_norm = nn.LayerNorm(features, eps=1e-6)
        degree = torch.repeat_interleave(torch.arange(n_degrees), torch.tensor([2 * l + 1 for l in config.degrees]))
        self.register_buffer("_degree", degree, persistent=False)
        # Sums squares over the orders of each degree, weighted by 1 / sqrt(2 l + 1); in the file as training rounded it.
        self.register_buffer("contraction", torch.zeros(len(degree), n_degrees))

    def forward(
        self, invariant: torch.Tensor, equivariant: torch.Tensor, pairs: Pairs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of the atoms, [N, F] and [N, M]."""
        senders, receivers = pairs.senders, pairs.receivers
        first, second = receivers.unflatten(0, (2, len(pairs.envelope)))
        difference = equivariant.index_select(0, first) - equivariant.index_select(0, second)
        norms = difference.square() @ self.contraction
        attention = self.attention(invariant, pairs, norms)
        value = project(invariant, self.value).index_select(0, senders).unflatten(1, self.attention.shape)
        messages = (attention.flatten(0, 1)[:, :, None] * value).flatten(1)
        by_degree = self.equivariant_attention(invariant, pairs, norms)
        equivariant_messages = (by_degree.index_select(2, self._degree) * pairs.harmonics).flatten(0, 1)
        invariant = self.norm(invariant.index_add(0, receivers, messages))
        invariant = invariant + self.mlp(invariant)
        equivariant = equivariant.index_add(0, receivers, equivariant_messages)

        together = torch.cat([invariant, equivariant.square() @ self.contraction], dim=1)
        change, factors = self.exchange(together).split([invariant.shape[1], self.contraction.shape[1]], dim=1)
        return self.final_norm(invariant + change), equivariant * (1 + factors.index_select(1, self._degree))


def project(features: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Features [N, F] in heads, each of them by its own matrix [H, F/H, F/H]."""
    heads, width, _ = weights.shape
    return torch.einsum("nhd,hde->nhe", features.unflatten(1, (heads, width)), weights).flatten(1)
