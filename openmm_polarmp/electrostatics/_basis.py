"""Spreading moments over basis functions and gathering derivatives of a potential from them.

Both ways of doing the reciprocal sum have the same shape. With basis functions b_x (plane waves, or the mesh's windows)
and the position u of an atom in the basis' own units,

    spread:  X_x    = sum_i sum_n C_i,n d^n b_x(u_i)            n: multi-index, _multi_index.py
    gather:  D_i,n  = sum_x X_x d^n b_x(u_i)

The two are adjoint to each other, and their derivative with respect to u is the same operation with one more order. So
each one's backward pass is made of the two themselves: derivatives of any order exist, and nothing of size atoms x
basis functions is ever stored.
"""

from typing import Protocol

import torch
from torch import Tensor

from openmm_polarmp.electrostatics._multi_index import contract_raised, count

WORK_ELEMENTS = {"cpu": 2**19, "cuda": 2**25}
"""Bound on every temporary array of atoms x basis functions or of pairs: on a CPU a few of them fit into the cache."""


def rows_per_chunk(device: torch.device, elements_per_row: int) -> int:
    """How many rows of a temporary array fit into its bound."""
    return max(1, WORK_ELEMENTS.get(device.type, 2**22) // max(1, elements_per_row))


class Basis(Protocol):
    """What `spread` and `gather` need to know of a set of basis functions."""

    def spread(self, u: Tensor, coefficients: Tensor, order: int) -> Tensor: ...

    def gather(self, u: Tensor, amplitudes: Tensor, order: int) -> Tensor: ...


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u: Tensor, coefficients: Tensor, basis: Basis, order: int) -> Tensor:
        ctx.save_for_backward(u, coefficients)
        ctx.basis, ctx.order = basis, order
        return basis.spread(u, coefficients, order)

    @staticmethod
    def backward(ctx, grad: Tensor):
        u, coefficients = ctx.saved_tensors
        need_u, need_coefficients = ctx.needs_input_grad[:2]
        derivatives = _Gather.apply(u, grad, ctx.basis, ctx.order + 1 if need_u else ctx.order)
        grad_u = contract_raised(coefficients, derivatives, ctx.order) if need_u else None
        return grad_u, derivatives[:, : count(ctx.order)] if need_coefficients else None, None, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u: Tensor, amplitudes: Tensor, basis: Basis, order: int) -> Tensor:
        ctx.save_for_backward(u, amplitudes)
        ctx.basis, ctx.order = basis, order
        return basis.gather(u, amplitudes, order)

    @staticmethod
    def backward(ctx, grad: Tensor):
        u, amplitudes = ctx.saved_tensors
        grad_u = grad_amplitudes = None
        if ctx.needs_input_grad[0]:
            derivatives = _Gather.apply(u, amplitudes, ctx.basis, ctx.order + 1)
            grad_u = contract_raised(grad, derivatives, ctx.order)
        if ctx.needs_input_grad[1]:
            grad_amplitudes = _Spread.apply(u, grad, ctx.basis, ctx.order)
        return grad_u, grad_amplitudes, None, None


def spread(u: Tensor, coefficients: Tensor, basis: Basis, order: int) -> Tensor:
    """Amplitudes of the moments in the basis.

    Parameters
    ----------
    u : [N, 3]
        Positions in the basis' units.
    coefficients : [N, count(order)]
        Moments, as coefficients of derivatives with respect to u.
    """
    return _Spread.apply(u, coefficients, basis, order)


def gather(u: Tensor, amplitudes: Tensor, basis: Basis, order: int) -> Tensor:
    """Derivatives up to this order with respect to u of the field with these amplitudes: [N, count(order)]."""
    return _Gather.apply(u, amplitudes, basis, order)
