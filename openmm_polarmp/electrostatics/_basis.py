"""Spreading moments over basis functions and gathering derivatives of a potential from them.

The mesh and the dense reciprocal sum have the same structure. With basis functions b_x (windows on the mesh, or plane waves)
and the position u of an atom in the units of the basis,

    spread:  X_x    = sum_i sum_n C_i,n d^n b_x(u_i)            n: multi-index, _multi_index.py
    gather:  D_i,n  = sum_x X_x d^n b_x(u_i)

The two are adjoint to each other, and their derivative with respect to u is the same operation with one more order. So the
backward pass of each consists of the two: derivatives of any order exist, and no array of atoms x basis functions is stored.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from openmm_polarmp.electrostatics._multi_index import contract_raised, count

WORK_ELEMENTS = {"cpu": 2**19, "cuda": 2**25}
"""Limit of every temporary array of atoms x basis functions or of pairs: on a CPU a few of them fit into the cache."""


def rows_per_chunk(device: torch.device, elements_per_row: int) -> int:
    """Number of rows of a temporary array within its limit."""
    return max(1, WORK_ELEMENTS.get(device.type, 2**22) // max(1, elements_per_row))


class Basis(Protocol):
    """A set of basis functions, as `spread` and `gather` use it."""

    def spread(self, u: Tensor, coefficients: Tensor, order: int) -> Tensor:
        """Amplitudes of the moments; without derivatives."""
        ...

    def gather(self, u: Tensor, amplitudes: Tensor, order: int) -> Tensor:
        """Derivatives of the field with these amplitudes; without derivatives of the result."""
        ...


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, coefficients: Tensor, basis: Basis, order: int) -> Tensor:
        ctx.save_for_backward(u, coefficients)
        ctx.basis, ctx.order = basis, order
        return basis.spread(u, coefficients, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        u, coefficients = ctx.saved_tensors
        need_u, need_coefficients = ctx.needs_input_grad[:2]
        derivatives = _Gather.apply(u, grad, ctx.basis, ctx.order + 1 if need_u else ctx.order)
        grad_u = contract_raised(coefficients, derivatives, ctx.order) if need_u else None
        return grad_u, derivatives[:, : count(ctx.order)] if need_coefficients else None, None, None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, amplitudes: Tensor, basis: Basis, order: int) -> Tensor:
        ctx.save_for_backward(u, amplitudes)
        ctx.basis, ctx.order = basis, order
        return basis.gather(u, amplitudes, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
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
    u : Tensor [N, 3]
        Positions in the units of the basis.
    coefficients : Tensor [N, count(order)]
        Moments, as coefficients of derivatives with respect to u.
    basis : Basis
        The basis functions.
    order : int
        Highest order of the derivatives.
    """
    return _Spread.apply(u, coefficients, basis, order)


def gather(u: Tensor, amplitudes: Tensor, basis: Basis, order: int) -> Tensor:
    """Derivatives up to this order with respect to u of the field with these amplitudes: [N, count(order)]."""
    return _Gather.apply(u, amplitudes, basis, order)
