"""Products of components from the terms that are not zero, in C++ on a CPU.

y[k] = sum_t value_t a[left_t] b[right_t] over the terms of row k. The derivative of such a map by one of its factors is a map of
the same terms, of the gradient and the other factor, so that one operation serves for derivatives of any order.
"""

from __future__ import annotations

from typing import Any

import torch

Terms = list[tuple[int, int, int, float]]


class SparseProducts:
    """A bilinear map of components, [lefts, places] x [rights, places] -> [outputs, places].

    Parameters
    ----------
    sizes : (int, int, int)
        Number of outputs, of left and of right components.
    terms : list of (output, left, right, value)
    """

    def __init__(self, sizes: tuple[int, int, int], terms: Terms) -> None:
        from openmm_polarmp import _polarmp

        self.sizes, self.terms = sizes, terms
        self._loops = _polarmp.SparseBilinear(*sizes, terms)
        self._by_left: SparseProducts | None = None
        self._by_right: SparseProducts | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return SparseProducts, (self.sizes, self.terms)  # copies of modules and pickled ones make their own loops

    @classmethod
    def of(cls, couplings: torch.Tensor) -> SparseProducts:
        """From C [outputs, components^2] with both factors of the same components, in float64."""
        components = round(couplings.shape[1] ** 0.5)
        terms = [
            (row, pair // components, pair % components, couplings[row, pair].item())
            for row, pair in (couplings.abs() > 1e-12).nonzero().tolist()
        ]
        return cls((couplings.shape[0], components, components), terms)

    def by_left(self) -> SparseProducts:
        """Gradient by the left factor, from the gradient by the outputs and the right factor."""
        if self._by_left is None:
            outputs, lefts, rights = self.sizes
            self._by_left = SparseProducts((lefts, outputs, rights), [(i, k, j, c) for k, i, j, c in self.terms])
        return self._by_left

    def by_right(self) -> SparseProducts:
        """Gradient by the right factor, from the gradient by the outputs and the left factor."""
        if self._by_right is None:
            outputs, lefts, rights = self.sizes
            self._by_right = SparseProducts((rights, outputs, lefts), [(j, k, i, c) for k, i, j, c in self.terms])
        return self._by_right

    def values(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Without derivatives."""
        out = left.new_empty(self.sizes[0], left.shape[1])
        self._loops.apply(left.detach().contiguous(), right.detach().contiguous(), out, torch.get_num_threads())
        return out

    def __call__(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Outputs of tensors on the CPU, with derivatives of any order."""
        result: torch.Tensor = _Apply.apply(left, right, self)
        return result


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: torch.Tensor, right: torch.Tensor, products: SparseProducts) -> torch.Tensor:
        ctx.save_for_backward(left, right)
        ctx.products = products
        return products.values(left, right)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        left, right = ctx.saved_tensors
        need_left, need_right = ctx.needs_input_grad[:2]
        by_left = ctx.products.by_left()(gradient, right) if need_left else None
        by_right = ctx.products.by_right()(gradient, left) if need_right else None
        return by_left, by_right, None
