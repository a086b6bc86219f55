"""The window and the mesh spacing for each accuracy."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.electrostatics.window import Window, window


class MeshRule(NamedTuple):
    """A row of the table: with this window a mesh of spacing h <= spacing * sigma meets the accuracy.

    Attributes
    ----------
    accuracy : float
        Rms force error over the rms force.
    width, m, beta, degree
        Parameters of the `Window`.
    spacing : float
        Largest spacing in units of sigma.
    """

    accuracy: float
    width: int
    m: int
    beta: float
    degree: int
    spacing: float

    def window(self) -> Window:
        """The window of this row."""
        return window(self.width, self.m, self.beta, self.degree)


# Measured by measure_mesh.py: the worst rms force error over the rms force on random, overlapping atoms with all moments
# and responses, in cubes and rhombic dodecahedra, and on water, is below 0.8 of the accuracy (sigma = 1 A, double precision;
# single precision adds 1e-6 to 2e-6). The spacing is h = |a_i| / n_i for every box vector. The C++ code has the same rows
# (MeshChoice.cpp).
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
    """The row of the lowest accuracy that is sufficient (force error over the rms force)."""
    for rule in MESH_RULES:
        if rule.accuracy <= accuracy * (1 + 1e-9):
            return rule
    raise ValueError(f"accuracy is {accuracy:g}; at least {MESH_RULES[-1].accuracy:g} is accepted for the mesh")


def mesh_shape(
    box_lengths: Sequence[float] | NDArray[np.float64], rule: MeshRule, sigma: float, k_max: float | None = None
) -> tuple[int, int, int]:
    """Number of mesh points along each box vector: at least |a|/h, so that the mesh has every k up to pi/h.

    Parameters
    ----------
    box_lengths : sequence of float
        Lengths of the box vectors, A.
    rule : MeshRule
        Row of the table.
    sigma : float
        Width of the kernel, A.
    k_max : float, optional
        Hard cutoff, 1/A.
    """
    spacing = rule.spacing * sigma
    if k_max is not None:
        spacing = min(spacing, math.pi / k_max)
    x, y, z = (legal_mesh_size(max(rule.width, math.ceil(length / spacing - 1e-9))) for length in box_lengths)
    return x, y, z


def legal_mesh_size(minimum: int) -> int:
    """The smallest number >= minimum whose only prime factors are 2, 3, 5 and 7 (also compiled by TorchScript)."""
    size, rest = minimum, 0
    while rest != 1:
        rest = size
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest = rest // prime
        size = size + 1
    return size - 1


def converged_k(accuracy: float, sigma: float) -> float:
    """Largest wave vector of the dense sum for an accuracy, 1/A.

    With x = sigma k the cutoff's force error is 0.2 to 0.4 x^3 exp(-x^2/2) on random boxes with quadrupoles (x = 4 to
    8, measure_mesh.py and theory.md section 2).
    """
    low, high = 2.0, 12.0
    for _ in range(60):
        x = (low + high) / 2
        low, high = (x, high) if 0.5 * x**3 * math.exp(-(x**2) / 2) > accuracy else (low, x)
    return high / sigma
