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
LAUNCHES_PER_ROUND = 10  # spread, sum up, 2 transforms of 3 launches each, convolve, gather
OTHER_LAUNCHES = 7  # positions, cells, their starts, their atoms, derivatives, results, energy
CELL_EDGE = 11  # mesh points along the cells by which atoms are sorted, at the default accuracy

COUNTS = ("mesh points", "operations", "bytes", "local bytes", "device memory")


class Gpu(NamedTuple):
    """Peak numbers of a data sheet."""

    name: str
    teraflops: float  # single precision
    terabytes: float  # memory, per second
    local_terabytes: float  # local ("shared") memory of all processors together, per second
    launch: float  # microseconds between two kernels of a stream


H200 = Gpu("H200", 67.0, 4.8, 33.0, 2.0)


def work_per_atom(atoms: int, density: float = 0.1, tolerance: float = 5e-4) -> dict[str, float]:
    """Operations and bytes moved of a step for each atom, those in local memory by themselves, and bytes that it occupies.

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
    in_patches = ((CELL_EDGE + w - 1) / CELL_EDGE) ** 3 * points
    windows = 2 * 3 * w * (rule.degree + 1) * 4  # computed anew by each kernel that needs them
    spread = 2 * (3 * w**3 + 4 * 6 * w**2 + 12 * w + 6 * 10)  # four teams share the planes
    gather = 2 * (4 * w**3 + 10 * w**2 + 10 * w**2 / 2) + 2 * (
        1 + 9 + 36 + 100
    )  # and the sum over threads, and to Cartesian axes
    transform = 2.5 * points * math.log2(mesh)
    moved = 4 * (2 * in_patches + points) + points * (
        2 * 3 * 2 * 4 + 8 + 8 / 2 + 4
    )  # patches and their sum, transforms, convolve, read back
    # Words of each thread: weights and the patch itself, then weights and the sums of a team
    local = 4 * (4 * w**2 / 2 * (22 + 3 + 8) + w**2 / 2 * (8 * w / 2 + 8 + 10) + 20 * w * 5)
    return {
        "mesh points": points,
        "operations": ROUNDS * (2 * windows + spread + gather + 2 * transform + 2 * points),
        "bytes": ROUNDS * (moved + 4 * (10 + 20) + 2 * 24) + 4 * 110,
        "local bytes": ROUNDS * local,
        # real mesh, spectrum, influence, the transform's own, patches; positions, moments, fields
        "device memory": points * (4 + 4 + 2 + 8) + 4 * in_patches + 640,
    }


def floor_table(sizes: tuple[int, ...] = (3000, 24_000, 100_000, 1_000_000), gpu: Gpu = H200) -> str:
    """The counts, and for each resource the milliseconds that a GPU needs at its peak."""
    launches = ROUNDS * LAUNCHES_PER_ROUND + OTHER_LAUNCHES
    lines = [
        f"| atoms | mesh points | operations | bytes moved | of local memory | bytes occupied | arithmetic, ms | memory, ms | local memory, ms | {launches} launches, ms |",
        "|---" * 10 + "|",
    ]
    for atoms in sizes:
        work = work_per_atom(atoms)
        times = (
            work["operations"] * atoms / gpu.teraflops / 1e9,
            work["bytes"] * atoms / gpu.terabytes / 1e9,
            work["local bytes"] * atoms / gpu.local_terabytes / 1e9,
            1e-3 * launches * gpu.launch,
        )
        counts = " | ".join(f"{work[name]:.0f}" for name in COUNTS)
        lines.append(f"| {atoms} | {counts} | " + " | ".join(f"{t:.4f}" for t in times) + " |")
    return "\n".join(lines)
