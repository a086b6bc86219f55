"""The optimizer: orthogonal steps for the weights' matrices, Adam for everything else.

A step of Muon (Jordan et al. 2024) along a matrix of the network has equal singular values: directions that the gradient hardly
shows move as far as those that dominate it. It learns from fewer steps than Adam does. torch's own Muon computes in bfloat16,
which processors without instructions for it compute slowly: the matrices of a model with one layer took seven times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from openmm_polarmp.training.config import OptimizerConfig

SMALLEST_SIDE = 9
"""Of a matrix that takes orthogonal steps; narrower ones, such as the embedding of few elements, have little to equalize."""
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of Jordan et al.: five iterations take singular values from 0.01 to 1 to somewhere between 0.7 and 1.2."""
ITERATIONS = 5


def orthogonalized(matrices: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Matrices of the same singular vectors, whose singular values are near one.

    The iteration x <- (a + b G + c G^2) x with G = x x^T multiplies by functions of the first G alone, so it is done with these small
    square matrices, all of one size at once, and x is multiplied once.
    """
    a, b, c = QUINTIC
    wide = [matrix.t() if matrix.shape[0] > matrix.shape[1] else matrix for matrix in matrices]
    wide = [x / (x.norm() + 1e-7) for x in wide]
    of_side: dict[int, list[int]] = {}
    for number, x in enumerate(wide):
        of_side.setdefault(x.shape[0], []).append(number)
    result = list(matrices)
    for numbers in of_side.values():
        gram = torch.stack([wide[number] @ wide[number].t() for number in numbers])
        product = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device).expand_as(gram)
        for _ in range(ITERATIONS):
            factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
            factor.diagonal(dim1=1, dim2=2).add_(a)
            product, gram = torch.bmm(factor, product), torch.bmm(factor, torch.bmm(factor, gram))
        for number, of_matrix in zip(numbers, product, strict=True):
            x = of_matrix @ wide[number]
            result[number] = x.t() if wide[number].shape != matrices[number].shape else x
    return result


class Muon(torch.optim.Optimizer):
    """Momentum, whose orthogonalized matrix is the step.

    Parameters
    ----------
    groups : iterable of dict
        Groups of matrices.
    lr : float
        The step's singular values, for matrices that are not taller than wide; for taller ones the square root of the ratio
        more.
    momentum : float
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float = 0.95) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take one step along the gradients."""
        for group in self.param_groups:
            matrices = [matrix for matrix in group["params"] if matrix.grad is not None]
            ahead = []
            for matrix in matrices:
                state = self.state[matrix]
                if not state:
                    state["mean"] = torch.zeros_like(matrix)
                state["mean"].lerp_(matrix.grad, 1 - group["momentum"])
                ahead.append(matrix.grad.lerp(state["mean"], group["momentum"]))
            for matrix, direction in zip(matrices, orthogonalized(ahead), strict=True):
                scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                matrix.add_(direction, alpha=-group["lr"] * scale)


def _takes_orthogonal_steps(parameter: torch.Tensor) -> bool:
    return parameter.dim() == 2 and min(parameter.shape) >= SMALLEST_SIDE


class WeightOptimizer:
    """The optimizers of a training.

    Parameters
    ----------
    groups : list of dict
        From `parameter_groups`: weights ``params``, a factor ``rate`` of the learning rates, and whether they are ``held``
        as long as charges are.
    settings : OptimizerConfig
    """

    def __init__(self, groups: list[dict[str, Any]], settings: OptimizerConfig) -> None:
        matrices: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for group in groups:
            chosen = [settings.method == "muon" and _takes_orthogonal_steps(p) for p in group["params"]]
            for members, wanted in ((matrices, True), (others, False)):
                some = [p for p, c in zip(group["params"], chosen, strict=True) if c == wanted]
                members += [{**group, "params": some}] if some else []
        self.parts: list[tuple[torch.optim.Optimizer, float]] = []
        if others:
            adam = torch.optim.Adam(others, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)
            self.parts.append((adam, settings.learning_rate))
        if matrices:
            self.parts.append((Muon(matrices, lr=settings.matrix_rate), settings.matrix_rate))

    def set_rates(self, factor: float, held: bool) -> None:
        """Learning rates as parts of the largest ones; zero for weights that are held."""
        for optimizer, rate in self.parts:
            for group in optimizer.param_groups:
                group["lr"] = 0.0 if held and group["held"] else factor * rate * group["rate"]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for optimizer, _ in self.parts:
            optimizer.zero_grad()

    def step(self) -> None:
        """Change the weights."""
        for optimizer, _ in self.parts:
            optimizer.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps."""
        return [optimizer.state_dict() for optimizer, _ in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on from a checkpoint."""
        for (optimizer, _), state in zip(self.parts, states, strict=True):
            optimizer.load_state_dict(state)
