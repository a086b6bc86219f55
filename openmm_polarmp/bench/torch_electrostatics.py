"""Time of the mesh against the dense sum: ``python -m openmm_polarmp.bench.torch_electrostatics``.

One step is the energy, forces and the gradients by charges, dipoles, quadrupoles, softness and polarizability of random
atoms, 0.1 per A^3, with all of them, both sums converged to the same accuracy, medians in one run on one machine. Beyond
``--dense-limit`` atoms the dense sum's time is extrapolated with the square of the number of atoms, as its work grows
(atoms times wave vectors).
"""

import argparse

import torch
from torch import Tensor

from openmm_polarmp.bench.machine import machine
from openmm_polarmp.bench.timing import seconds
from openmm_polarmp.electrostatics.energy import electrostatic_energy
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan

DENSITY = 0.1


def random_box(atoms: int, dtype: torch.dtype, device: str) -> tuple[Tensor, Multipoles, Tensor]:
    """Positions, multipoles (all requiring gradients) and the cell."""
    generator = torch.Generator().manual_seed(atoms)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    edge = (atoms / DENSITY) ** (1 / 3)
    A = 0.2 * normal(atoms, 3, 3)
    multipoles = Multipoles(
        charges=0.5 * normal(atoms),
        dipoles=0.3 * normal(atoms, 3),
        quadrupoles=0.4 * normal(atoms, 3, 3),
        softness=0.01 * normal(atoms) ** 2,
        polarizability=A @ A.mT,
    )
    positions = edge * torch.rand(atoms, 3, generator=generator, dtype=torch.float64)
    cell = edge * torch.eye(3, dtype=dtype, device=device)
    multipoles = multipoles.to(device, dtype).apply(lambda value: value.requires_grad_())
    return positions.to(device, dtype).requires_grad_(), multipoles, cell


def step(positions: Tensor, multipoles: Multipoles, cell: Tensor, method: str, accuracy: float) -> tuple[Tensor, ...]:
    """Energy, forces and moment gradients, as one calls them without a plan."""
    energy = electrostatic_energy(positions, multipoles, cell, method=method, accuracy=accuracy).energy
    return torch.autograd.grad(energy, [positions, *(value for _, value in multipoles.members())])


def compare(atoms: int, accuracy: float, dtype: torch.dtype, device: str, methods: tuple[str, ...]) -> list[float]:
    """Seconds of a step by each of these methods."""
    box = random_box(atoms, dtype, device)
    return [seconds(lambda method=method: step(*box, method, accuracy), device) for method in methods]


def main(arguments: list[str] | None = None) -> None:
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

    print(f"{machine(options.device)}; {options.dtype}, accuracy {options.accuracy:g}, all rungs (quQ+ka)\n")
    print("| atoms | pme, ms | dense sum, ms | dense / pme | auto takes |")
    print("|---|---|---|---|---|")
    dense, measured_atoms = float("nan"), 0
    for atoms in sorted(options.atoms):
        extrapolated = atoms > options.dense_limit
        methods = ("pme",) if extrapolated else ("pme", "ewald")
        mesh, *rest = compare(atoms, options.accuracy, dtype, options.device, methods)
        dense = rest[0] if rest else dense * (atoms / measured_atoms) ** 2
        measured_atoms = atoms
        positions, _, cell = random_box(atoms, dtype, options.device)
        chosen = ElectrostaticPlan(positions, cell, accuracy=options.accuracy).methods[0]
        note = " (extrapolated)" if extrapolated else ""
        print(f"| {atoms} | {1e3 * mesh:.1f} | {1e3 * dense:.0f}{note} | {dense / mesh:.1f} | {chosen} |", flush=True)


if __name__ == "__main__":
    main()
