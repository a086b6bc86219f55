"""The direct sum over the pairs of a cluster (theory.md section 2), smooth down to r = 0."""

import math

import torch
from torch import Tensor

from ..units import COULOMB
from ._basis import rows_per_chunk
from ._multi_index import contract_raised, count, multi_indices, positions_of

_SERIES_LIMIT = 6.0
_SERIES_TERMS = 36


def boys(x: Tensor, order: int) -> list[Tensor]:
    """F_n(x) = int_0^1 t^2n exp(-x t^2) dt for n = 0..order, x >= 0.

    The radial functions of theory.md section 2 are B_n = 2a/sqrt(pi) (2a^2)^n F_n(a^2 r^2): no division by r is left.
    Small x: the series of the highest order, all terms positive, then downward; large x: upward from erf. Upward
    loses a digit only where x is small against n, downward none.
    """
    exponential = torch.exp(-x)
    small = x < _SERIES_LIMIT
    x_small = torch.where(small, x, 0.0)
    tail = torch.zeros_like(x)
    for i in range(_SERIES_TERMS, 0, -1):
        tail = (1 + tail) * (2 * x_small / (2 * order + 2 * i + 1))
    series = [exponential * (1 + tail) / (2 * order + 1)]
    for n in range(order, 0, -1):
        series.insert(0, (2 * x_small * series[0] + exponential) / (2 * n - 1))
    x_large = torch.where(small, _SERIES_LIMIT, x)
    root = torch.sqrt(x_large)
    upward = [math.sqrt(math.pi) / 2 * torch.erf(root) / root]
    for n in range(order):
        upward.append(((2 * n + 1) * upward[n] - exponential) / (2 * x_large))
    return [torch.where(small, s, u) for s, u in zip(series, upward, strict=True)]


def kernel_derivatives(r: Tensor, sigma: float, order: int) -> Tensor:
    """All derivatives up to this order of g(r) = k_e erf(r / (sqrt(2) sigma)) / r: [count(order), P].

    R^(n)_abc, built from R^(n)_000 = (-2a^2)^n 2a/sqrt(pi) F_n by one more derivative at a time:
    R^(n)_(a+1,b,c) = x R^(n+1)_abc + a R^(n+1)_(a-1,b,c), and d^abc g = k_e R^(0)_abc.
    """
    a2 = 1 / (2 * sigma**2)
    factor = COULOMB * 2 * math.sqrt(a2 / math.pi)
    level = {
        (n, (0, 0, 0)): factor * (-2 * a2) ** n * F for n, F in enumerate(boys(a2 * (r * r).sum(1), order))
    }  # (n, index) -> R
    axes = r.unbind(1)
    for index in multi_indices(order)[1:]:
        axis = max(d for d in range(3) if index[d])
        lower = tuple(v - (d == axis) for d, v in enumerate(index))
        lowest = tuple(v - 2 * (d == axis) for d, v in enumerate(index))
        for n in range(order - sum(index) + 1):
            value = axes[axis] * level[n + 1, lower]
            if lower[axis]:
                value = value + lower[axis] * level[n + 1, lowest]
            level[n, index] = value
    return torch.stack([level[0, index] for index in multi_indices(order)])


class ClusterPairs:
    """All pairs of different atoms within each of several clusters.

    Parameters
    ----------
    atoms : [n]
        Atoms of all clusters, sorted by cluster.
    sizes : list of int
        Number of atoms of each cluster.
    sigma : float
        Width of the kernel in A.
    """

    def __init__(self, atoms: Tensor, sizes: list[int], sigma: float):
        self.sigma = sigma
        self.atoms = atoms
        size = torch.tensor(sizes, device=atoms.device, dtype=torch.long)
        self.size = size
        self.first_atom = torch.cumsum(size, 0) - size
        self.first_pair = torch.cumsum(size * size, 0) - size * size
        self.num_pairs = sum(s * s for s in sizes)

    def _chunks(self, pairs_per_chunk: int):
        """(i, j) of the pairs, a chunk at a time; the meeting of an atom with itself is among them."""
        for first in range(0, self.num_pairs, pairs_per_chunk):
            pair = torch.arange(first, min(first + pairs_per_chunk, self.num_pairs), device=self.atoms.device)
            cluster = torch.searchsorted(self.first_pair, pair, right=True) - 1
            within = pair - self.first_pair[cluster]
            size, atom = self.size[cluster], self.first_atom[cluster]
            yield self.atoms[atom + within // size], self.atoms[atom + within % size]

    def derivatives(self, positions: Tensor, coefficients: Tensor, order: int, source_order: int) -> Tensor:
        """D_i,n = sum over j != i of M_j[ d^n g(r_i - .) ]: [N, count(order)]."""
        place = positions_of(order + source_order)
        targets, sources = multi_indices(order), multi_indices(source_order)
        meet = torch.tensor(
            [[place[tuple(a + b for a, b in zip(t, s, strict=True))] for s in sources] for t in targets],
            device=positions.device,
        )
        # g depends on r_i - r_j: a source's derivative acts on r_j and turns the sign
        parity = [-1.0 if sum(s) % 2 else 1.0 for s in sources]
        signed = coefficients * torch.tensor(parity, dtype=coefficients.dtype, device=coefficients.device)
        result = positions.new_zeros(len(positions), len(targets))
        for i, j in self._chunks(rows_per_chunk(positions.device, meet.numel() // 4)):
            kernel = kernel_derivatives(positions[i] - positions[j], self.sigma, order + source_order)
            source = torch.where((i == j)[:, None], 0.0, signed[j]).T  # no atom feels itself
            contribution = torch.stack([(kernel[row] * source).sum(0) for row in meet], 1)
            result = result.index_add(0, i, contribution)
        return result


class _PairPotential(torch.autograd.Function):
    """Linear in the sources and symmetric, so that its derivatives are again potentials, one order higher."""

    @staticmethod
    def forward(
        ctx, positions: Tensor, coefficients: Tensor, pairs: ClusterPairs, order: int, source_order: int
    ) -> Tensor:
        ctx.save_for_backward(positions, coefficients)
        ctx.pairs, ctx.order, ctx.source_order = pairs, order, source_order
        return pairs.derivatives(positions, coefficients, order, source_order)

    @staticmethod
    def backward(ctx, grad: Tensor):
        positions, coefficients = ctx.saved_tensors
        pairs, order, source_order = ctx.pairs, ctx.order, ctx.source_order
        need_positions, need_coefficients = ctx.needs_input_grad[:2]
        back = _PairPotential.apply(positions, grad, pairs, source_order + int(need_positions), order)
        grad_positions = None
        if need_positions:
            here = _PairPotential.apply(positions, coefficients, pairs, order + 1, source_order)
            grad_positions = contract_raised(grad, here, order) + contract_raised(coefficients, back, source_order)
        return grad_positions, back[:, : count(source_order)] if need_coefficients else None, None, None, None


def pair_potential(
    positions: Tensor, coefficients: Tensor, pairs: ClusterPairs, order: int, source_order: int
) -> Tensor:
    """Potential of the other atoms of the same cluster and its derivatives up to this order: [N, count(order)].

    Parameters
    ----------
    positions : [N, 3]
        In A.
    coefficients : [N, count(source_order)]
        Moments, as coefficients of Cartesian derivatives.
    """
    return _PairPotential.apply(positions, coefficients, pairs, order, source_order)
