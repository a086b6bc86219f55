"""Sums of pair functions over the neighbours of each element, in C++ on a CPU.

X_i[lm, n, z] = sum over neighbours j of element z of Y_lm(r_ij) B_n(r_ij). With G of the form of X, sum_i G_i . X_i is linear in
Y, in B and in G; its derivative by one of them is an operation on the other two, whose derivatives are such operations again.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch

Factor = Literal["harmonics", "radial"]
OTHER: dict[Factor, Factor] = {"harmonics": "radial", "radial": "harmonics"}


class _Sizes(NamedTuple):
    harmonics: int
    radial: int
    kinds: int


class DensitySums:
    """The sums for a table of neighbours.

    Parameters
    ----------
    kinds : Tensor [N, K] of int64
        Index of each neighbour's element.
    harmonics, radial, num_kinds : int
        Number of functions Y and B, and of elements.
    """

    def __init__(self, kinds: torch.Tensor, harmonics: int, radial: int, num_kinds: int) -> None:
        from openmm_polarmp import _polarmp

        self.pairs = tuple(kinds.shape)
        self.sizes = _Sizes(harmonics, radial, num_kinds)
        self.loops = _polarmp.DensitySums(kinds.contiguous(), num_kinds, harmonics, radial)

    def __call__(self, harmonics: torch.Tensor, radial: torch.Tensor) -> torch.Tensor:
        """X [(l_max + 1)^2, N, n_radial n_kinds] from Y [N, K, (l_max + 1)^2] and B [N, K, n_radial]."""
        result: torch.Tensor = _Sums.apply(harmonics, radial, self)
        return result

    def derivative(self, by: Factor, other: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Derivative of sum_i G_i . X_i by one factor, from the other one and G."""
        width, loops = (
            (self.sizes.harmonics, self.loops.by_harmonics)
            if by == "harmonics"
            else (self.sizes.radial, self.loops.by_radial)
        )
        out = other.new_empty(*self.pairs, width)
        loops(self.of_pairs(other), self.of_atoms(gradient), out.flatten(0, 1), torch.get_num_threads())
        return out

    def of_pairs(self, x: torch.Tensor) -> torch.Tensor:
        """A tensor [N, K, ...] as C++ reads it."""
        return x.detach().flatten(0, 1).contiguous()

    def of_atoms(self, x: torch.Tensor) -> torch.Tensor:
        """A tensor of the form of X as C++ reads it."""
        return x.detach().flatten(1).contiguous()


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, harmonics: torch.Tensor, radial: torch.Tensor, sums: DensitySums) -> torch.Tensor:
        ctx.save_for_backward(harmonics, radial)
        ctx.sums = sums
        out = radial.new_empty(sums.sizes.harmonics, sums.pairs[0], sums.sizes.radial * sums.sizes.kinds)
        sums.loops.sums(sums.of_pairs(harmonics), sums.of_pairs(radial), out.flatten(1), torch.get_num_threads())
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        harmonics, radial = ctx.saved_tensors
        by_harmonics = _Derivative.apply(radial, gradient, ctx.sums, "harmonics") if ctx.needs_input_grad[0] else None
        by_radial = _Derivative.apply(harmonics, gradient, ctx.sums, "radial") if ctx.needs_input_grad[1] else None
        return by_harmonics, by_radial, None


class _Derivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, other: torch.Tensor, gradient: torch.Tensor, sums: DensitySums, by: Factor) -> torch.Tensor:
        ctx.save_for_backward(other, gradient)
        ctx.sums, ctx.by = sums, by
        return sums.derivative(by, other, gradient)

    @staticmethod
    def backward(ctx: Any, h: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        other, gradient = ctx.saved_tensors
        by_other = _Derivative.apply(h, gradient, ctx.sums, OTHER[ctx.by]) if ctx.needs_input_grad[0] else None
        by_gradient = None
        if ctx.needs_input_grad[1]:
            by_gradient = _Sums.apply(*((h, other) if ctx.by == "harmonics" else (other, h)), ctx.sums)
        return by_other, by_gradient, None, None
