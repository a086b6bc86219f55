"""Whether a model's minimizations end in water: energies of boxes of 24 to 64 molecules are minimized from disturbed positions.

    python examples/train_water/minimize.py polarmp-water --starts 200

A minimizer's long steps go where dynamics never does, and find the holes of a learned energy: a molecule folded up, two on one place.
Prints every start after which a molecule is not whole, with its energy above that of the box from undisturbed positions. Energies
above it are molecules that a long step has taken apart and that found no way back; energies below it are holes.
"""

from __future__ import annotations

import argparse

import numpy as np
import openmm
from openmm import unit
from openmmml import MLPotential

from openmm_polarmp.demo.run import water_box
from openmm_polarmp.units import ENERGY_TO_OPENMM

SIZES = (24, 32, 48, 64)  # molecules
DISPLACEMENTS = (0.0, 0.02, 0.05, 0.1)  # A, standard deviation of each coordinate
ITERATIONS = (20, 100)  # of the minimizer
BONDS = (0.85, 1.2)  # A, of a molecule that is whole
ANGLES = (80.0, 140.0)  # degrees


def shapes(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bonds (A) [M, 2] and angles (degrees) [M] of molecules O, H, H, from positions in A."""
    o, first, second = np.moveaxis(positions.reshape(-1, 3, 3), 1, 0)
    bonds = np.linalg.norm([first - o, second - o], axis=2).T
    cosines = ((first - o) * (second - o)).sum(1) / bonds.prod(1)
    return bonds, np.degrees(np.arccos(cosines.clip(-1, 1)))


def whole(positions: np.ndarray) -> bool:
    """Whether every molecule has the bonds and the angle of water."""
    bonds, angles = shapes(positions)
    return bool(
        bonds.min() > BONDS[0] and bonds.max() < BONDS[1] and angles.min() > ANGLES[0] and angles.max() < ANGLES[1]
    )


def minimized(context: openmm.Context, positions: np.ndarray, iterations: int) -> tuple[np.ndarray, float]:
    """Positions (A) and energy (eV) after a minimization from positions in A."""
    context.setPositions(positions * unit.angstrom)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=iterations)
    state = context.getState(positions=True, energy=True)
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / ENERGY_TO_OPENMM
    return state.getPositions(asNumpy=True).value_in_unit(unit.angstrom), energy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    platform = openmm.Platform.getPlatformByName("CPU")
    starts = options.starts // len(SIZES)
    broken = holes = 0
    for size in SIZES:
        topology, built = water_box(size)
        system = MLPotential("polarmp", modelPath=options.model).createSystem(topology)
        # One thread: the order of sums is then no matter of chance, and a start can be looked at again.
        context = openmm.Context(system, openmm.VerletIntegrator(0.0005), platform, {"Threads": "1"})
        start = built.value_in_unit(unit.angstrom)
        lowest = minimized(context, start, 100)[1]
        for number in range(starts):
            displacement = DISPLACEMENTS[number % len(DISPLACEMENTS)]
            iterations = ITERATIONS[number // len(DISPLACEMENTS) % len(ITERATIONS)]
            after, energy = minimized(context, start + rng.normal(scale=displacement, size=start.shape), iterations)
            if not whole(after):
                broken += 1
                holes += energy < lowest
                bonds, angles = shapes(after)
                print(
                    f"{size} molecules, start {number}, displaced by {displacement} A, {iterations} iterations: "
                    f"bonds {bonds.min():.2f} to {bonds.max():.2f} A, angles {angles.min():.0f} to {angles.max():.0f} "
                    f"degrees, {energy - lowest:+.2f} eV"
                )
        print(f"{size} molecules: {starts} starts", flush=True)
    total = starts * len(SIZES)
    print(f"{broken} of {total} minimizations broke a molecule, {holes} of these ended below the energy of whole ones")


if __name__ == "__main__":
    main()
