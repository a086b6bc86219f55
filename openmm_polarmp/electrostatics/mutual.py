"""Induced moments that feel each other (theory.md section 9): conjugate gradients, differentiable to any order.

The induced moments m solve (R^-1 + T) m = -V. With y = R^-1 m, what the atoms feel in the end, no inverse of R is needed, so
that atoms and pairs without a response simply take no part. R is the preconditioner, and m = -R V, the direct response,
is where the iteration starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from openmm_polarmp.electrostatics.induction import Induction, Parts, minus, plus


class PolarizationCatastrophe(ValueError):
    """Induced moments that would amplify each other without limit: R^-1 + T is not positive definite."""


class NoConvergence(RuntimeError):
    """Induced moments that did not converge within the allowed number of iterations."""


@dataclass(frozen=True)
class Mutual:
    """Settings of the self-consistent response.

    Attributes
    ----------
    tolerance : float
        Size of the residual over that of the driving potential where the iteration ends, both in the norm that R defines.
        The relative error of induced moments and forces is of this size, that of the energy of its square.
    max_iterations : int
        More are an error.
    """

    tolerance: float = 1e-8
    max_iterations: int = 200

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance is {self.tolerance}; a number between 0 and 1 is accepted")
        if self.max_iterations < 1:
            raise ValueError(f"max_iterations is {self.max_iterations}; a positive integer is accepted")


def induced_moments(induction: Induction, driving: Parts, settings: Mutual) -> Parts:
    """m = (R^-1 + T)^-1 driving, with -V as the driving potential; differentiable to any order.

    The derivative follows from the equation and not from the iterations: one more solution of the same equation.
    """
    tensors = _tensors(induction)
    return _Solution.apply(induction, settings, len(driving), *driving, *tensors)


def energy_of_induction(induction: Induction, driving: Parts, induced: Parts) -> Tensor:
    """The minimum of 1/2 m R^-1 m + m V + 1/2 m T m for each structure, [B] in eV, without an inverse of R."""
    m = stationary(induced)
    others = induction.interaction(m)
    felt = minus(driving, others)
    return -(induction.dot(m, others) + induction.dot(felt, induction.taken_up(felt))) / 2


def stationary(parts: Parts) -> Parts:
    """The same values, for use where the first derivative by them is known to vanish, as that of an energy at its minimum.

    First derivatives then do not solve the equation again, and second derivatives are right.
    """
    return tuple(_Stationary.apply(part) for part in parts)


def _tensors(induction: Induction) -> Parts:
    cells = () if induction.cells is None else (induction.cells,)
    return (induction.positions, *cells, *induction.coefficients())


def _rebuilt(induction: Induction, tensors: Parts) -> Induction:
    with_cells = induction.cells is not None
    return induction.with_coefficients(tensors[0], tensors[1] if with_cells else None, tensors[1 + with_cells :])


class _Solution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, induction: Induction, settings: Mutual, n: int, *tensors: Tensor) -> Parts:
        solution = _conjugate_gradients(_rebuilt(induction, tensors[n:]), tensors[:n], settings)
        ctx.induction, ctx.settings, ctx.n = induction, settings, n
        ctx.save_for_backward(*solution, *tensors)
        ctx.set_materialize_grads(False)
        return solution

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Solve for the gradient, and differentiate R and T.

        With x = (R^-1 + T)^-1 c, l the solution for the gradient g as c, y = c - T x and y_l = g - T l, the gradient by c is
        l, and that by the tensors of R and T is that of y_l.R y - l.T x.
        """
        n, tensors = ctx.n, ctx.saved_tensors[2 * ctx.n :]
        solution, driving = ctx.saved_tensors[:n], ctx.saved_tensors[n : 2 * n]
        if all(g is None for g in gradients):
            return (None,) * (3 + n + len(tensors))
        g = tuple(torch.zeros_like(x) if g is None else g for g, x in zip(gradients, solution, strict=True))
        induction = _rebuilt(ctx.induction, tensors)
        adjoint = induced_moments(induction, g, ctx.settings)
        needed = ctx.needs_input_grad[3 + n :]
        of_tensors: list[Tensor | None] = [None] * len(tensors)
        if any(needed):
            higher = torch.is_grad_enabled()
            felt = minus(driving, induction.interaction(solution))
            adjoint_felt = minus(g, induction.interaction(adjoint))
            with torch.enable_grad():
                # copies, so that the derivative is by R and T alone and not by what has been computed from them
                copies = tuple(t.view_as(t) if higher else t.detach().requires_grad_() for t in tensors)
                moving = _rebuilt(induction, copies)
                value = (
                    moving.dot(adjoint_felt, moving.taken_up(felt)) - moving.dot(adjoint, moving.interaction(solution))
                ).sum()
                chosen = [i for i, need in enumerate(needed) if need]
                slopes = torch.autograd.grad(value, [copies[i] for i in chosen], create_graph=higher, allow_unused=True)
            for i, gradient in zip(chosen, slopes, strict=True):
                of_tensors[i] = gradient
        return (None, None, None, *adjoint, *of_tensors)


class _Stationary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor | None:
        return gradient - gradient.detach() if torch.is_grad_enabled() else None


@torch.no_grad()
def _conjugate_gradients(induction: Induction, driving: Parts, settings: Mutual) -> Parts:
    felt = driving
    induced = induction.taken_up(felt)
    scale = induction.dot(driving, induced)
    enough = settings.tolerance**2 * scale
    residual = tuple(-x for x in induction.interaction(induced))  # driving - (R^-1 + T) R driving
    direction_felt = tuple(torch.zeros_like(x) for x in felt)
    direction = direction_felt
    last = torch.ones_like(scale)
    for step in range(settings.max_iterations + 1):
        preconditioned = induction.taken_up(residual)
        size = induction.dot(residual, preconditioned)
        # where nothing drives and nothing is induced, nothing remains to be done
        active = size > enough
        if not bool(active.any()):
            return induced
        beta = torch.where(active, size / last, 0.0) if step else torch.zeros_like(size)
        direction_felt = plus(residual, induction.scaled(beta, direction_felt))
        direction = plus(preconditioned, induction.scaled(beta, direction))
        product = plus(direction_felt, induction.interaction(direction))  # (R^-1 + T) direction
        curvature = induction.dot(direction, product)
        _check_curvature(induction, direction, torch.where(active, curvature, 1.0))
        length = torch.where(active, size / curvature, 0.0)
        induced = plus(induced, induction.scaled(length, direction))
        residual = minus(residual, induction.scaled(length, product))
        last = torch.where(active, size, 1.0)
    left = float((size / scale).sqrt().nan_to_num().max())
    raise NoConvergence(
        f"the induced moments have not converged in {settings.max_iterations} iterations: the residual is {left:.1e}, "
        f"tolerance is {settings.tolerance:.1e}"
    )


@torch.no_grad()
def smallest_eigenvalue(induction: Induction, steps: int = 20, seed: int = 0) -> Tensor:
    """Smallest eigenvalue of 1 + R T for each structure, [B]: 1 without interaction, and a catastrophe at zero or below.

    From above by the Lanczos method with a random start, in the scalar product that R defines.
    """
    generator = torch.Generator().manual_seed(seed)
    n, like = len(induction.positions), induction.multipoles.charges
    n_pairs = 0 if induction.multipoles.flows is None else induction.multipoles.flows.pairs.shape[1]
    shapes = {"charges": (n,), "flows": (n_pairs,), "dipoles": (n, 3)}
    felt = tuple(torch.randn(*shapes[kind], generator=generator, dtype=like.dtype).to(like) for kind in induction.kinds)
    n_structures = induction.plan.num_structures
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    before = tuple(torch.zeros_like(x) for x in felt)
    beta = like.new_zeros(n_structures)
    for _ in range(steps):
        taken_up = induction.taken_up(felt)
        norm = induction.dot(felt, taken_up).clamp_min(0).sqrt()
        left = norm > 1e-7 * (1 if not diagonal else diagonal[0].abs())
        inverse = torch.where(left, 1 / torch.where(left, norm, 1.0), 0.0)
        felt, taken_up = induction.scaled(inverse, felt), induction.scaled(inverse, taken_up)
        if diagonal:
            beta = torch.where(left, norm, 0.0)
            beside.append(beta)
        product = plus(felt, induction.interaction(taken_up))  # (1 + T R) felt
        alpha = torch.where(left, induction.dot(taken_up, product), 1.0)
        diagonal.append(alpha)
        following = minus(minus(product, induction.scaled(alpha, felt)), induction.scaled(beta, before))
        before, felt = felt, following
    matrix = torch.diag_embed(torch.stack(diagonal, 1))
    if beside:
        off = torch.stack(beside, 1)
        matrix = matrix + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    return torch.linalg.eigvalsh(matrix)[:, 0]


def _check_curvature(induction: Induction, direction: Parts, curvature: Tensor) -> None:
    """Raise a PolarizationCatastrophe where a direction lowers the energy without limit."""
    bad = ~(curvature > 0)
    if not bool(bad.any()):
        return
    structure = int(bad.nonzero()[0])
    moments = induction.moments(direction)
    size = moments.charges.abs()
    if moments.dipoles is not None:
        size = size + moments.dipoles.norm(dim=1)
    size = torch.where(induction.plan.batch == structure, size, -1.0)
    worst = size.argsort(descending=True)[: min(4, len(size))]
    atoms = sorted(int(i) for i in worst if size[i] > 0.3 * size[worst[0]])
    raise PolarizationCatastrophe(
        f"polarization catastrophe: the induced moments of atoms {atoms} amplify each other without limit; smaller "
        "polarizabilities, softness or conductances, or larger distances are accepted"
    )
