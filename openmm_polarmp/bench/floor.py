"""Operations and memory traffic of the kernels for each atom, and the least time that they can take on a GPU.

Counted from the kernels in plugin_cpp/platforms/common/src/kernels for charges, dipoles, quadrupoles and induced moments: a
multiplication with an addition is two operations. Two rounds (permanent moments, then induced ones) of spreading,
transform, convolution, transform back, gathering; the first round's gathering spreads for the second one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from openmm_polarmp.electrostatics.mesh_table import choose_mesh_rule, legal_mesh_size

ROUNDS = 2
LAUNCHES_PER_ROUND = 9  # to real numbers, 2 transforms of 3 launches each, convolve, gather
OTHER_LAUNCHES = (
    5  # positions, the first spreading, derivatives, results, energy; atoms are sorted in every 50th step only
)

COUNTS = ("mesh points", "operations", "bytes", "atomic additions", "device memory")


class Gpu(NamedTuple):
    """Peak rates from the data sheet; that of the atomic additions, which no data sheet has, is measured."""

    name: str
    teraflops: float  # single precision
    terabytes: float  # memory, per second
    atomics: float  # 64-bit additions in the cache, 10^9 per second, as a kernel of additions alone reaches them
    launch: float  # microseconds between two kernels of a stream


H200 = Gpu("H200", 67.0, 4.8, 230.0, 2.0)


def work_per_atom(atoms: int, density: float = 0.1, tolerance: float = 5e-4) -> dict[str, float]:
    """Operations, bytes moved and atomic additions of a step for each atom, and bytes that it occupies.

    Parameters
    ----------
    atoms : int
        Number of atoms in a cubic box.
    density : float
        1/A^3.
    tolerance : float
        Force accuracy.
    """
    rule = choose_mesh_rule(tolerance)
    w, edge = rule.width, (atoms / density) ** (1 / 3)
    mesh = legal_mesh_size(math.ceil(edge / rule.spacing)) ** 3
    points = mesh / atoms
    windows = 2 * 3 * w * (rule.degree + 1) * 4  # computed again by each of the three kernels that need them
    to_grid = 2 * (1 + 9 + 36)
    spread = to_grid + 2 * (3 * w**3 + 19 * w**2) + w**3  # and the conversion to fixed point
    to_cartesian = 2 * (1 + 9 + 36 + 100)
    gather = 2 * (4 * w**3 + 10 * w**2) + 20 * w * 6 + to_cartesian  # and the sum over threads
    transform = 2.5 * points * math.log2(mesh)
    # Of each point: added to, read and cleared, real number, 2 transforms of 3 passes, convolution, gathered from
    mesh_bytes = points * (16 + 16 + 4 + 2 * 3 * 2 * 4 + 8 + 2 + 4)
    # Of each atom: positions and order, potential with its derivatives, induced moments
    round_bytes = 28 + 4 * (20 + 10)
    # The source's moments, packed and spread; terms of the induced moments; derivatives; results
    other_bytes = 28 + 4 * (13 + 10) + 4 * (4 + 10 + 4) + 4 * (20 + 40 + 4 + 10 + 6 + 2 + 3 + 23) + 4 * (2 + 6 + 1 + 6)
    return {
        "mesh points": points,
        "operations": 3 * windows + ROUNDS * (spread + gather + 2 * transform + 2 * points),
        "bytes": ROUNDS * (mesh_bytes + round_bytes) + other_bytes,
        "atomic additions": ROUNDS * w**3,
        # fixed-point and real mesh, spectrum, influence, the work array of the transform; positions, moments, potentials, gradients, cells
        "device memory": points * (8 + 4 + 4 + 2 + 8) + 590,
    }


def floor_table(sizes: tuple[int, ...] = (3000, 24_000, 100_000, 1_000_000), gpu: Gpu = H200) -> str:
    """Table of the counts and, for each resource, of the milliseconds that a GPU needs at its peak rate."""
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
