"""The direct sum over the pairs of a cluster (theory.md section 2), smooth down to r = 0."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from openmm_polarmp._cpu_loops import computes_in_loops
from openmm_polarmp.electrostatics._multi_index import MEETING, contract_raised, count, multi_indices
from openmm_polarmp.units import COULOMB

_SERIES_LIMIT = 5.0
"""As in the plugin (PairSeries.h): below it the upward recursion loses more than one digit by n = 8."""
_SERIES_TERMS = 34
"""So many terms are needed there in double precision for n = 0, fewer for larger n."""
_MAX_PAIRS = {"cpu": 2**12, "cuda": 2**20}
"""Number of pairs in a chunk; about 200 numbers are stored for each of them."""


def boys(x: Tensor, order: int, limit: float = _SERIES_LIMIT, terms: int = _SERIES_TERMS) -> list[Tensor]:
    """F_n(x) = int_0^1 t^2n exp(-x t^2) dt for n = 0..order, x >= 0.

    The radial functions of theory.md section 2 are B_n = 2a/sqrt(pi) (2a^2)^n F_n(a^2 r^2), without a division by r. For
    small x the series of the highest order, whose terms are all positive, is followed by the downward recursion, which is
    stable. For large x the upward recursion begins with erf; where the two meet it loses one digit up to n = 8. (TorchScript
    compiles this too, and reads numbers from arguments only.)
    """
    exponential = torch.exp(-x)
    small = x < limit
    x_small = torch.where(small, x, 0.0)
    tail = torch.zeros_like(x)
    for i in range(terms, 0, -1):
        tail = (1 + tail) * (x_small * (2 / (2 * order + 2 * i + 1)))
    series = [exponential * (1 + tail) / (2 * order + 1)]
    for n in range(order, 0, -1):
        series.insert(0, (2 * x_small * series[0] + exponential) / (2 * n - 1))
    x_large = torch.where(small, limit, x)
    root = torch.sqrt(x_large)
    upward = [math.sqrt(math.pi) / 2 * torch.erf(root) / root]
    for n in range(order):
        upward.append(((2 * n + 1) * upward[n] - exponential) / (2 * x_large))
    return [torch.where(small, series[n], upward[n]) for n in range(order + 1)]


def kernel_derivatives(r: Tensor, sigma: float, order: int) -> list[Tensor]:
    """All derivatives of g(r) = k_e erf(r / (sqrt(2) sigma)) / r up to an order, each [P], ordered as multi-indices.

    R^(n)_abc, built from R^(n)_000 = (-2a^2)^n 2a/sqrt(pi) F_n by one more derivative at a time:
    R^(n)_(a+1,b,c) = x R^(n+1)_abc + a R^(n+1)_(a-1,b,c), and d^abc g = k_e R^(0)_abc.
    """
    a2 = 1 / (2 * sigma**2)
    factor = COULOMB * 2 * math.sqrt(a2 / math.pi)
    radial = boys(a2 * (r * r).sum(1), order)
    R = {(n, (0, 0, 0)): factor * (-2 * a2) ** n * F for n, F in enumerate(radial)}
    axes = [axis.contiguous() for axis in r.unbind(1)]
    for index in multi_indices(order)[1:]:
        axis = max(d for d in range(3) if index[d])
        a, b, c = (int(d == axis) for d in range(3))
        lower = index[0] - a, index[1] - b, index[2] - c
        lowest = index[0] - 2 * a, index[1] - 2 * b, index[2] - 2 * c
        for n in range(order - sum(index) + 1):
            R[n, index] = axes[axis] * R[n + 1, lower]
            if lower[axis]:
                R[n, index] = torch.add(R[n, index], R[n + 1, lowest], alpha=lower[axis])
    return [R[0, index] for index in multi_indices(order)]


def _signs(order: int, like: Tensor) -> Tensor:
    """-1 for odd derivatives: g depends on r_i - r_j, so that derivatives with respect to r_j change the sign."""
    return like.new_tensor([-1.0 if sum(index) % 2 else 1.0 for index in multi_indices(order)])


@dataclass(frozen=True)
class Orders:
    """Highest derivative that the sources' moments take, and highest derivative of their potential that is computed."""

    source: int
    potential: int


class ClusterPairs:
    """All pairs of different atoms within each of several clusters.

    Parameters
    ----------
    atoms : Tensor [n]
        Atoms of all clusters, sorted by cluster.
    sizes : list of int
        Number of atoms of each cluster.
    sigma : float
        Width of the kernel in A.
    """

    def __init__(self, atoms: Tensor, sizes: list[int], sigma: float):
        self.sigma = sigma
        self.atoms = atoms
        self.size = torch.tensor(sizes, device=atoms.device, dtype=torch.long)
        self.first_atom = torch.cumsum(self.size, 0) - self.size
        # Atom i is paired with the next size//2 atoms of the ring 0, 1, .., size-1, 0, ..: every pair occurs once, except
        # those of opposite atoms in an even ring, which occur twice.
        self.reach = self.size // 2
        pairs = self.size * self.reach
        self.first_pair = torch.cumsum(pairs, 0) - pairs
        self.num_pairs = sum(s * (s // 2) for s in sizes)

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Atoms i and j of the pairs, and whether the pair is not a repeated one, a chunk at a time."""
        device = self.atoms.device
        chunk = _MAX_PAIRS.get(device.type, 2**16)
        for first in range(0, self.num_pairs, chunk):
            pair = torch.arange(first, min(first + chunk, self.num_pairs), device=device)
            cluster = torch.searchsorted(self.first_pair, pair, right=True) - 1
            within = pair - self.first_pair[cluster]
            size, reach, atom = self.size[cluster], self.reach[cluster], self.first_atom[cluster]
            i, step = within // reach, within % reach + 1
            once = (2 * step < size) | (i < reach)
            yield self.atoms[atom + i], self.atoms[atom + (i + step) % size], once

    def potentials(self, positions: Tensor, sources: list[Tensor], orders: list[Orders]) -> list[Tensor]:
        """D_i,n = sum over j != i of M_j[ d^n g(r_i - .) ], [N, count(potential)], for each set of sources."""
        if computes_in_loops(positions):
            return self._potentials_on_cpu(positions, sources, orders)
        results = [positions.new_zeros(len(positions), count(o.potential)) for o in orders]
        highest = max(o.source + o.potential for o in orders)
        for i, j, once in self._chunks():
            kernel = kernel_derivatives(positions[i] - positions[j], self.sigma, highest)
            for result, coefficients, o in zip(results, sources, orders, strict=True):
                meetings = [row[: count(o.source)] for row in MEETING[: count(o.potential)]]
                weight = once[:, None] * _signs(o.source, coefficients)
                at_i = _contract(kernel, coefficients[j] * weight, meetings)
                # At j the kernel's argument is -r: the signs of odd derivatives and of the sources change.
                at_j = _contract(kernel, coefficients[i] * once[:, None], meetings) * _signs(o.potential, coefficients)
                result.index_add_(0, i, at_i)
                result.index_add_(0, j, at_j)
        return results

    def _potentials_on_cpu(self, positions: Tensor, sources: list[Tensor], orders: list[Orders]) -> list[Tensor]:
        """The same in C++, in double precision: without temporary arrays for every pair."""
        from openmm_polarmp import _polarmp

        def rows(tensors: list[Tensor]) -> Tensor:
            return torch.cat([t.detach()[self.atoms] for t in tensors], 1).to(torch.float64).t().contiguous()

        widths = [count(o.potential) for o in orders]
        potentials = positions.new_zeros(sum(widths), len(self.atoms), dtype=torch.float64)
        pairs_of_orders = [(o.source, o.potential) for o in orders]
        _polarmp.add_cluster_potentials(
            rows([positions]), self.size, self.sigma, pairs_of_orders, rows(sources), potentials
        )
        result = positions.new_zeros(len(positions), sum(widths))
        result[self.atoms] = potentials.t().to(positions.dtype)
        return list(result.split(widths, 1))


def _contract(kernel: list[Tensor], source: Tensor, meetings: list[tuple[int, ...]]) -> Tensor:
    """sum_l source_l kernel_(n + l) for all n: [P, components]."""
    columns = [column.contiguous() for column in source.unbind(1)]
    sums = []
    for places in meetings:
        total = columns[0] * kernel[places[0]]
        for column, place in zip(columns[1:], places[1:], strict=True):
            total.addcmul_(column, kernel[place])
        sums.append(total)
    return torch.stack(sums, 1)


class _PairPotentials(torch.autograd.Function):
    """Potentials of several sets of sources at the same atoms; the columns of the sets are joined.

    Linear in the sources and symmetric between sources and targets, so that the derivatives are again potentials, of
    the sources and of the incoming gradients, one order higher.
    """

    @staticmethod
    def forward(ctx: Any, positions: Tensor, sources: Tensor, pairs: ClusterPairs, orders: list[Orders]) -> Tensor:
        ctx.save_for_backward(positions, sources)
        ctx.pairs, ctx.orders = pairs, orders
        sets = list(sources.split([count(o.source) for o in orders], 1))
        return torch.cat(pairs.potentials(positions, sets, orders), 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        positions, sources = ctx.saved_tensors
        orders = ctx.orders
        gradients = gradient.split([count(o.potential) for o in orders], 1)
        if not ctx.needs_input_grad[0]:
            back = [Orders(o.potential, o.source) for o in orders]
            return None, _PairPotentials.apply(positions, gradient, ctx.pairs, back), None, None
        # A set's gradients and its sources need kernels of the same order: both are evaluated together.
        both = [
            order for o in orders for order in (Orders(o.potential, o.source + 1), Orders(o.source, o.potential + 1))
        ]
        sets = sources.split([count(o.source) for o in orders], 1)
        columns = torch.cat([part for pair in zip(gradients, sets, strict=True) for part in pair], 1)
        potentials = _PairPotentials.apply(positions, columns, ctx.pairs, both)
        potentials = potentials.split([count(o.potential) for o in both], 1)
        grad_positions, grad_sources = torch.zeros_like(positions), []
        for i, o in enumerate(orders):
            of_gradient, of_source = potentials[2 * i], potentials[2 * i + 1]
            grad_positions = grad_positions + contract_raised(sets[i], of_gradient, o.source)
            grad_positions = grad_positions + contract_raised(gradients[i], of_source, o.potential)
            grad_sources.append(of_gradient[:, : count(o.source)])
        return grad_positions, torch.cat(grad_sources, 1), None, None


def pair_potential(
    positions: Tensor, coefficients: Tensor, pairs: ClusterPairs, order: int, source_order: int
) -> Tensor:
    """Potential of the other atoms of the same cluster and its derivatives up to this order: [N, count(order)].

    Parameters
    ----------
    positions : Tensor [N, 3]
        A.
    coefficients : Tensor [N, count(source_order)]
        Moments, as coefficients of Cartesian derivatives.
    pairs : ClusterPairs
        The clusters.
    order, source_order : int
        Highest derivatives of the potential, and those that the moments take.
    """
    return _PairPotentials.apply(positions, coefficients, pairs, [Orders(source_order, order)])
