"""Time of the mesh against the dense sum: ``python -m openmm_polarmp.bench.torch_electrostatics``.

One step is the energy, the forces and the gradients with respect to charges, dipoles, quadrupoles, softness and
polarizability of a box of water, both sums converged to the same accuracy; medians of one run on one machine. Beyond
``--dense-limit`` atoms the dense sum's time is extrapolated with the square of the number of atoms, as its work grows
(atoms times wave vectors).
"""

from __future__ import annotations

import argparse
import functools
import math

import torch
from torch import Tensor

from openmm_polarmp.bench.machine import machine
from openmm_polarmp.bench.timing import function_milliseconds
from openmm_polarmp.bench.water_box import water_multipoles
from openmm_polarmp.electrostatics.energy import electrostatic_energy
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan

RUNG = "quQ+ka"


def step(positions: Tensor, multipoles: Multipoles, cell: Tensor, method: str, accuracy: float) -> tuple[Tensor, ...]:
    """Gradients of the energy by positions and multipoles, evaluated without a plan as a user would."""
    energy = electrostatic_energy(positions, multipoles, cell, method=method, accuracy=accuracy).energy
    return torch.autograd.grad(energy, [positions, *(value for _, value in multipoles.members())])


def compare(atoms: int, accuracy: float, dtype: torch.dtype, device: str, methods: tuple[str, ...]) -> list[float]:
    """Milliseconds of a step by each of these methods."""
    box = water_multipoles(atoms, RUNG, dtype=dtype, device=device)
    return [function_milliseconds(functools.partial(step, *box, method, accuracy), device) for method in methods]


@functools.cache
def _dense_sum(atoms: int, device: str, accuracy: float) -> float:
    return compare(atoms, accuracy, torch.float64, device, ("ewald",))[0]


def dense_sum(atoms: int, device: str = "cpu", largest: int = 3000, accuracy: float = 5e-4) -> tuple[float, bool]:
    """Milliseconds of a step by the dense sum, and whether they were extrapolated from ``largest`` atoms."""
    measured = min(atoms, largest)
    return _dense_sum(measured, device, accuracy) * (atoms / measured) ** 2, atoms > measured


def main(arguments: list[str] | None = None) -> None:
    """Print a table for some sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atoms", type=int, nargs="+", default=[30, 100, 300, 1000, 3000, 10000])
    parser.add_argument("--accuracy", type=float, default=5e-4, help="force error over the rms force")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float64")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="default: torch's")
    parser.add_argument("--dense-limit", type=int, default=3000, help="largest size for which the dense sum is run")
    options = parser.parse_args(arguments)
    if min(options.atoms) > options.dense_limit:
        parser.error("--dense-limit: below the smallest of --atoms, so that there is nothing to extrapolate from")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    dtype = getattr(torch, options.dtype)

    print(f"{machine(options.device)}; {options.dtype}, accuracy {options.accuracy:g}, {RUNG}\n")
    print("| atoms | pme, ms | dense sum, ms | dense / pme | auto takes |")
    print("|---|---|---|---|---|")
    dense, measured_atoms = math.nan, 0
    for atoms in sorted(options.atoms):
        extrapolated = atoms > options.dense_limit
        methods = ("pme",) if extrapolated else ("pme", "ewald")
        mesh, *rest = compare(atoms, options.accuracy, dtype, options.device, methods)
        dense = rest[0] if rest else dense * (atoms / measured_atoms) ** 2
        measured_atoms = atoms
        positions, _, cell = water_multipoles(atoms, RUNG, dtype=dtype, device=options.device)
        chosen = ElectrostaticPlan(positions, cell, accuracy=options.accuracy).methods[0]
        note = " (extrapolated)" if extrapolated else ""
        print(f"| {atoms} | {mesh:.1f} | {dense:.0f}{note} | {dense / mesh:.1f} | {chosen} |", flush=True)


if __name__ == "__main__":
    main()
