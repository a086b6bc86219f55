"""Real spherical harmonics of degrees 1 to 4.

The network uses them through sums over the orders of one degree only, so that the sequence and the signs of the orders do
not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch


def spherical_harmonics(unit_vectors: torch.Tensor, degrees: Sequence[int]) -> torch.Tensor:
    """All orders of the degrees, one degree after the other, [E, sum of 2 l + 1], normalized on the sphere.

    Parameters
    ----------
    unit_vectors : Tensor [E, 3]
    degrees : sequence of int
        From 1 to 4.
    """
    x, y, z = unit_vectors.unbind(1)
    columns: list[torch.Tensor] = []
    for degree in degrees:
        norm, polynomials = _DEGREES[degree](x, y, z)
        columns += [math.sqrt(factor * norm / math.pi) * polynomial for factor, polynomial in polynomials]
    return torch.stack(columns, dim=1)


Polynomials = tuple[float, list[tuple[float, torch.Tensor]]]


def _first(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Polynomials:
    return 3 / 4, [(1, x), (1, y), (1, z)]


def _second(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Polynomials:
    return 5 / 16, [(12, x * y), (12, y * z), (12, x * z), (3, x**2 - y**2), (1, 3 * z**2 - 1)]


def _third(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Polynomials:
    along, across = 5 * z**2 - 1, x**2 - y**2
    return 7 / 16, [
        (1, z * (5 * z**2 - 3)),
        (3 / 2, x * along),
        (3 / 2, y * along),
        (15, z * across),
        (60, x * y * z),
        (5 / 2, x * (x**2 - 3 * y**2)),
        (5 / 2, y * (3 * x**2 - y**2)),
    ]


def _fourth(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Polynomials:
    odd, even, across = 7 * z**2 - 3, 7 * z**2 - 1, x**2 - y**2
    return 9 / 256, [
        (1, 35 * z**4 - 30 * z**2 + 3),
        (40, x * z * odd),
        (40, y * z * odd),
        (20, across * even),
        (80, x * y * even),
        (280, x * z * (x**2 - 3 * y**2)),
        (280, y * z * (3 * x**2 - y**2)),
        (560, x * y * across),
        (35, x**4 - 6 * x**2 * y**2 + y**4),
    ]


_DEGREES = {1: _first, 2: _second, 3: _third, 4: _fourth}
