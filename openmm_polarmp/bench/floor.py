"""What the kernels do for each atom, and the least time that this can take on a GPU.

Counted from the kernels in plugin_cpp/platforms/common/src/kernels for charges, dipoles, quadrupoles and induced moments: a
multiplication with an addition is two operations. Two rounds (permanent moments, then induced ones) of spreading,
transform, convolution, transform back, gathering.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from openmm_polarmp.electrostatics.mesh_table import choose_mesh_rule, legal_mesh_size

ROUNDS = 2
LAUNCHES_PER_ROUND = 11  # to real, 2 transforms of 4 launches each, convolve, gather (which spreads for the next round)
OTHER_LAUNCHES = 6  # positions, place, spread, derivatives, results, energy


COUNTS = ("mesh points", "operations", "bytes", "atomic additions", "device memory")


class Gpu(NamedTuple):
    """Peak numbers of a data sheet."""

    name: str
    teraflops: float  # single precision
    terabytes: float  # memory, per second
    atomics: float  # 64-bit additions in the cache, 10^9 per second
    launch: float  # microseconds between two kernels of a stream


H200 = Gpu("H200", 67.0, 4.8, 150.0, 2.0)


def work_per_atom(atoms: int, density: float = 0.1, tolerance: float = 5e-4) -> dict[str, float]:
    """Operations, bytes moved and atomic additions of a step for each atom, and bytes that it occupies.

    Parameters
    ----------
    atoms : int
        In a cubic box of this density (1/A^3).
    tolerance : float
        Force accuracy.
    """
    rule = choose_mesh_rule(tolerance)
    w, edge = rule.width, (atoms / density) ** (1 / 3)
    mesh = legal_mesh_size(math.ceil(edge / rule.spacing)) ** 3
    points = mesh / atoms
    place = 2 * 3 * w * (rule.degree + 1) * 4
    to_grid = 9 * 2 + 6 * 9 * 3  # moments into grid units, in each plane's thread
    spread = 2 * (3 * w**3 + 6 * w**2 + 12 * w) + w**3 + w * to_grid  # and the conversion to fixed point
    to_cartesian = 3 * 3 * 2 + 6 * 9 * 3 + 10 * (9 + 27 * 3)
    gather = 2 * (4 * w**3 + 10 * w**2 + 20 * w) + 20 * w + to_cartesian  # and the sum over planes
    transform = 2.5 * points * math.log2(mesh)
    moved = points * (8 + 8 + 4 + 2 * 3 * 2 * 4 + 8 + 8 / 2 + 4)  # to real and clear, transforms, convolve, read back
    return {
        "mesh points": points,
        "operations": place + ROUNDS * (spread + gather + 2 * transform + 2 * points),
        "bytes": 2 * 12 * w * 4 + ROUNDS * (moved + 4 * (10 + 20 + 24 * w)) + 4 * 100,
        "atomic additions": ROUNDS * w**3,
        # fixed point and real mesh, spectrum, influence, the transform's own; window weights; positions, moments, fields
        "device memory": points * (8 + 4 + 4 + 2 + 8) + 12 * w * 4 + 600,
    }


def floor_table(sizes: tuple[int, ...] = (3000, 24_000, 100_000, 1_000_000), gpu: Gpu = H200) -> str:
    """The counts, and for each resource the milliseconds that a GPU needs at its peak."""
    launches = ROUNDS * LAUNCHES_PER_ROUND + OTHER_LAUNCHES
    lines = [
        f"| atoms | mesh points | operations | bytes moved | atomic additions | bytes occupied | arithmetic, ms | memory, ms | atomics, ms | {launches} launches, ms |",
        "|---" * 10 + "|",
    ]
    for atoms in sizes:
        work = work_per_atom(atoms)
        times = (
            work["operations"] * atoms / gpu.teraflops / 1e9,
            work["bytes"] * atoms / gpu.terabytes / 1e9,
            work["atomic additions"] * atoms / gpu.atomics / 1e6,
            1e-3 * launches * gpu.launch,
        )
        counts = " | ".join(f"{work[name]:.0f}" for name in COUNTS)
        lines.append(f"| {atoms} | {counts} | " + " | ".join(f"{t:.4f}" for t in times) + " |")
    return "\n".join(lines)
