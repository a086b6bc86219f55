"""How many iterations charge equilibration of water takes: ``python -m openmm_polarmp.bench.equilibration``.

Charges follow from constant electronegativities and a hardness, those with which an untrained network of rung `qeq` begins. The
water moves by the shipped model.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import numpy as np
import openmm

from openmm_polarmp.bench.machine import description
from openmm_polarmp.bench.mutual import Platform, Run
from openmm_polarmp.fixed import FixedMultipoles
from openmm_polarmp.force import PolarMPForce

ELECTRONEGATIVITY = {1: -1.9, 8: 1.9}  # V
HARDNESS = 19.5  # eV/e^2
PREDICTED = 10  # steps, after which the predictor knows the five that it extrapolates

Change = Callable[[PolarMPForce], None]


def equilibrating_force(species: list[int], change: Change) -> PolarMPForce:
    """The force of charges -chi/J with softness 1/J (theory.md section 9)."""
    charges = np.array([-ELECTRONEGATIVITY[z] / HARDNESS for z in species])
    force = PolarMPForce(FixedMultipoles(charges, softness=np.full(len(species), 1 / HARDNESS)))
    force.setNonbondedMethod(PolarMPForce.PME)
    force.setPolarizationType(PolarMPForce.Mutual)
    change(force)
    return force


def settings_for(n: int, level: float) -> dict[str, Change]:
    """What is given for the charges of n atoms of water, by name; ``level`` (kJ/mol) is that of neutral water."""
    molecules = np.arange(n).reshape(-1, 3).tolist()
    return {
        "nothing": lambda force: None,
        "total charge": lambda force: force.setTotalChargeConstraint(0.0),
        "total charge of each molecule": lambda force: force.setTotalChargeConstraint(
            [0.0] * len(molecules), molecules
        ),
        "Fermi level": lambda force: force.setFermiLevel(level),
    }


def context_of(force: PolarMPForce, water: Run, platform: Platform, epsilon: float = 1e-5) -> openmm.Context:
    """A Context with the force alone, at the water's positions."""
    force.setMutualInducedTargetEpsilon(epsilon)
    system = openmm.System()
    for _ in range(water.simulation.system.getNumParticles()):
        system.addParticle(1.0)
    state = water.simulation.context.getState(positions=True)
    system.setDefaultPeriodicBoxVectors(*state.getPeriodicBoxVectors())
    system.addForce(force)
    device = openmm.Platform.getPlatformByName(platform.name)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), device, platform.properties)
    context.setPositions(state.getPositions())
    return context


def measure(molecules: int, epsilons: list[float], platform: Platform, steps: int) -> None:
    """Print the rows of one size."""
    water = Run.of_water(molecules, PolarMPForce.Direct, 1e-5, platform, thermostat=True)
    species = [atom.element.atomic_number for atom in water.simulation.topology.atoms()]
    neutral = equilibrating_force(species, lambda force: force.setTotalChargeConstraint(0.0))
    level = float(neutral.getFermiLevelsInContext(context_of(neutral, water, platform))[0])
    contexts: dict[tuple[str, float], tuple[PolarMPForce, openmm.Context]] = {}
    iterations: dict[tuple[str, float], list[int]] = {}
    for name, change in settings_for(len(species), level).items():
        for epsilon in epsilons:
            force = equilibrating_force(species, change)
            contexts[name, epsilon] = force, context_of(force, water, platform, epsilon)
            iterations[name, epsilon] = []
    for step in range(PREDICTED + steps):
        water.simulation.step(1)
        positions = water.simulation.context.getState(positions=True).getPositions()
        for row, (force, context) in contexts.items():
            context.setPositions(positions)
            data = force.getStepData(context)
            if step >= PREDICTED:
                iterations[row].append(data.iterations)
    for (name, epsilon), numbers in iterations.items():
        print(f"| {molecules} | {name} | {epsilon:.0e} | {statistics.mean(numbers):.1f} |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", type=int, nargs="+", default=[64, 1000])
    parser.add_argument("--epsilon", type=float, nargs="+", default=[1e-4, 1e-5])
    parser.add_argument("--platform", default="CPU")
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    print(f"{description(args.platform, 'single')}\n")
    print("| molecules | given | epsilon | iterations |\n|---|---|---|---|")
    for molecules in args.molecules:
        measure(molecules, args.epsilon, Platform(args.platform), args.steps)


if __name__ == "__main__":
    main()
