"""Which window and which mesh spacing give which accuracy."""

import math
from typing import NamedTuple

from openmm_polarmp.electrostatics.window import Window, window


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


# Measured by _measure_mesh.py, which tells how: worst rms force error over the rms force on random, overlapping atoms
# with all moments and responses, in cubes and rhombic dodecahedra, and on water, kept below 0.8 of the accuracy
# (sigma = 1 A, double precision; single precision adds 1e-6 to 2e-6). Spacing means h = |a_i| / n_i for every box
# vector. The same rows stand in the C++ code (MeshChoice.cpp).
MESH_RULES = (
    MeshRule(1e-2, width=7, m=3, beta=11.9, degree=6, spacing=0.697),
    MeshRule(3e-3, width=8, m=2, beta=16.0, degree=7, spacing=0.648),
    MeshRule(1e-3, width=8, m=3, beta=15.2, degree=7, spacing=0.621),
    MeshRule(5e-4, width=8, m=3, beta=16.8, degree=8, spacing=0.556),
    MeshRule(2e-4, width=9, m=2, beta=18.0, degree=7, spacing=0.574),
    MeshRule(1e-4, width=9, m=3, beta=18.0, degree=8, spacing=0.55),
    MeshRule(3e-5, width=9, m=3, beta=20.7, degree=8, spacing=0.455),
    MeshRule(1e-5, width=10, m=3, beta=21.0, degree=8, spacing=0.499),
    MeshRule(3e-6, width=10, m=3, beta=23.0, degree=8, spacing=0.423),
    MeshRule(1e-6, width=11, m=3, beta=23.1, degree=9, spacing=0.464),
    MeshRule(3e-7, width=11, m=3, beta=26.4, degree=9, spacing=0.385),
    MeshRule(1e-7, width=12, m=3, beta=26.4, degree=10, spacing=0.427),
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
    """Where the dense sum may stop, in 1/A.

    With x = sigma k the cutoff's force error is 0.2 to 0.4 x^3 exp(-x^2/2) on random boxes with quadrupoles (x = 4 to
    8, _measure_mesh.py and theory.md section 2).
    """
    low, high = 2.0, 12.0
    for _ in range(60):
        x = (low + high) / 2
        low, high = (x, high) if 0.5 * x**3 * math.exp(-(x**2) / 2) > accuracy else (low, x)
    return high / sigma
