"""Which window and which mesh spacing give which accuracy."""

import math
from typing import NamedTuple

from .window import Window, window


class MeshRule(NamedTuple):
    """One row of the table: this window on a mesh of spacing h <= spacing * sigma meets the accuracy."""

    accuracy: float
    width: int
    m: int
    beta: float
    degree: int
    spacing: float

    def window(self) -> Window:
        return window(self.width, self.m, self.beta, self.degree)


MESH_RULES = (
    MeshRule(5e-4, 7, 2, 14.0, 9, 0.62),
    MeshRule(1e-6, 10, 3, 20.0, 14, 0.45),
)


def choose_mesh_rule(accuracy: float) -> MeshRule:
    """The loosest rule that still meets the asked accuracy (force error over the rms force)."""
    for rule in MESH_RULES:
        if rule.accuracy <= accuracy * (1 + 1e-9):
            return rule
    raise ValueError(f"accuracy: the mesh reaches {MESH_RULES[-1].accuracy:g}, got {accuracy:g}")


def mesh_shape(box_lengths, rule: MeshRule, sigma: float, k_max: float | None = None) -> tuple[int, int, int]:
    """Number of mesh points along each box vector: at least |a|/h, so that the mesh holds every k up to pi/h."""
    spacing = rule.spacing * sigma
    if k_max is not None:
        spacing = min(spacing, math.pi / k_max)
    return tuple(legal_mesh_size(max(rule.width, math.ceil(length / spacing - 1e-9))) for length in box_lengths)


def legal_mesh_size(minimum: int) -> int:
    """The smallest number >= minimum whose only prime factors are 2, 3, 5 and 7."""
    size = minimum
    while True:
        rest = size
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


def converged_k(accuracy: float, sigma: float) -> float:
    """Where the dense sum may stop (1/A)."""
    low, high = 2.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        if middle**3 * math.exp(-(middle**2) / 2) > accuracy:
            low = middle
        else:
            high = middle
    return high / sigma
