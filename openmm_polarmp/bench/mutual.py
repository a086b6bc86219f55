"""Self-consistent response beside the direct one in water: ``python -m openmm_polarmp.bench.mutual``."""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import openmm
from openmm import app, unit

from openmm_polarmp.bench.machine import description
from openmm_polarmp.demo.run import water_box
from openmm_polarmp.force import PolarMPForce

TEMPERATURE = 300  # K
STEP = 0.0005  # ps
WARMING = 200  # steps; the predictor knows its five earlier ones long before
STEPS = 10  # in a measurement
FEWEST = 64  # molecules: the box of the water that the model learned from
EPSILONS = (1e-4, 1e-5)


_water_box = functools.cache(water_box)  # all runs begin with one and the same box


@dataclass(frozen=True)
class Platform:
    """One of OpenMM's platforms by name, and its properties."""

    name: str
    properties: dict[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """One simulation of water.

    Attributes
    ----------
    simulation : openmm.app.Simulation
    force : PolarMPForce
    milliseconds : list of float
        Of a step.
    iterations : list of int
    energies : list of float
        kJ/mol, in a run without thermostat.
    """

    simulation: app.Simulation
    force: PolarMPForce
    milliseconds: list[float] = field(default_factory=list)
    iterations: list[int] = field(default_factory=list)
    energies: list[float] = field(default_factory=list)

    @classmethod
    def of_water(cls, molecules: int, polarization: int, epsilon: float, platform: Platform, thermostat: bool) -> Run:
        """A box of the shipped water model, warmed up."""
        topology, positions = _water_box(molecules)
        numbers = [atom.element.atomic_number for atom in topology.atoms()]
        force = PolarMPForce("polarmp-water", atomic_numbers=numbers, interaction_energy=True)
        force.setNonbondedMethod(PolarMPForce.PME)
        force.setPolarizationType(polarization)
        force.setMutualInducedTargetEpsilon(epsilon)
        system = openmm.System()
        for atom in topology.atoms():
            system.addParticle(atom.element.mass)
        system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
        system.addForce(force)
        warm = openmm.LangevinMiddleIntegrator(TEMPERATURE, 5, STEP)
        device = openmm.Platform.getPlatformByName(platform.name), platform.properties
        simulation = app.Simulation(topology, system, warm, *device)
        simulation.context.setPositions(positions)
        simulation.context.setVelocitiesToTemperature(TEMPERATURE, 1)
        simulation.step(WARMING)
        if not thermostat:
            state = simulation.context.getState(positions=True, velocities=True)
            simulation = app.Simulation(topology, system, openmm.VerletIntegrator(STEP), *device)
            simulation.context.setPositions(state.getPositions())
            simulation.context.setVelocities(state.getVelocities())
        return cls(simulation, force)

    def measure(self, steps: int) -> None:
        """Run some steps and note what they took."""
        began = time.perf_counter()
        self.simulation.step(steps)
        state = self.simulation.context.getState(energy=True)
        self.milliseconds.append(1000 * (time.perf_counter() - began) / steps)
        total = state.getPotentialEnergy() + state.getKineticEnergy()
        self.energies.append(total.value_in_unit(unit.kilojoule_per_mole))
        self.iterations.append(self.force.getStepData(self.simulation.context).iterations)

    def drift(self, interval: float) -> tuple[float, float]:
        """Slope of the energy and its error in kT per ns and degree of freedom, from ten blocks ``interval`` ps apart."""
        freedom = 3 * self.simulation.system.getNumParticles()
        blocks = np.array_split(np.array(self.energies), 10)
        times = [part.mean() for part in np.array_split(interval * np.arange(len(self.energies)), 10)]
        (slope, _), covariance = np.polyfit(times, [part.mean() for part in blocks], 1, cov=True)
        scale = 1000 / freedom / (8.314462618e-3 * TEMPERATURE)
        return slope * scale, covariance[0, 0] ** 0.5 * scale


def compare(
    molecules: int, epsilons: Sequence[float], platform: Platform, *, rounds: int, thermostat: bool = True
) -> dict[str, Run]:
    """Runs with direct and with mutual response, measured in turns: other work on the machine slows all of them.

    Parameters
    ----------
    molecules : int
        Of water, in the box.
    epsilons : sequence of float
        Tolerances of the mutual response.
    platform : Platform
    rounds : int
        In each of which every run takes a few steps.
    thermostat : bool
        Without it the energies tell the drift.
    """
    settings = {"direct": (PolarMPForce.Direct, 1e-5)}
    settings |= {f"mutual, {epsilon:g}": (PolarMPForce.Mutual, epsilon) for epsilon in epsilons}
    runs = {name: Run.of_water(molecules, *each, platform, thermostat) for name, each in settings.items()}
    for _ in range(rounds):
        for run in runs.values():
            run.measure(STEPS)
    return runs


def step_times(
    molecules: Sequence[int], epsilons: Sequence[float], platform: Platform, rounds: int
) -> list[dict[str, int | float | str]]:
    """Print and return iterations and the time of a step over that with direct response, a row for each box and response."""
    print("| molecules | response | iterations | time of a step over direct |\n|---|---|---|---|")
    rows: list[dict[str, int | float | str]] = []
    for n in molecules:
        runs = compare(n, epsilons, platform, rounds=rounds)
        for name, run in runs.items():
            # the ratio of each round, so that a machine that slows down changes little
            pairs = zip(run.milliseconds, runs["direct"].milliseconds, strict=True)
            ratio = statistics.median(own / direct for own, direct in pairs)
            iterations = statistics.mean(run.iterations)
            rows.append({"molecules": n, "response": name, "iterations": iterations, "over direct": ratio})
            print(f"| {n} | {name} | {iterations:.1f} | {ratio:.2f} |", flush=True)
    return rows


def drifts(molecules: Sequence[int], epsilons: Sequence[float], platform: Platform, picoseconds: float) -> None:
    """Print the drift of the energy in runs of this length without a thermostat."""
    print("| molecules | response | iterations | drift / kT per ns and degree of freedom |\n|---|---|---|---|")
    for n in molecules:
        rounds = round(picoseconds / (STEPS * STEP))
        for name, run in compare(n, epsilons, platform, rounds=rounds, thermostat=False).items():
            slope, error = run.drift(STEPS * STEP)
            print(f"| {n} | {name} | {statistics.mean(run.iterations):.1f} | {slope:.1e} +- {error:.0e} |", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", type=int, nargs="+", default=[64, 1000])
    parser.add_argument("--epsilon", type=float, nargs="+", default=EPSILONS)
    parser.add_argument("--platform", default="CPU")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--drift", type=float, default=0, help="ps without a thermostat, in place of step times")
    args = parser.parse_args()
    print(f"{description(args.platform, 'single')}\n")
    platform = Platform(args.platform)
    if args.drift:
        drifts(args.molecules, args.epsilon, platform, args.drift)
    else:
        step_times(args.molecules, args.epsilon, platform, args.rounds)


if __name__ == "__main__":
    main()
