"""Self-consistent response beside the direct one in water: ``python -m openmm_polarmp.bench.mutual``."""

from __future__ import annotations

import argparse
import statistics
import time
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
    def of_water(cls, molecules: int, polarization: int, epsilon: float, platform: str, thermostat: bool) -> Run:
        """A box of the shipped water model, warmed up."""
        topology, positions = water_box(molecules)
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
        device = openmm.Platform.getPlatformByName(platform)
        simulation = app.Simulation(topology, system, warm, device)
        simulation.context.setPositions(positions)
        simulation.context.setVelocitiesToTemperature(TEMPERATURE, 1)
        simulation.step(WARMING)
        if not thermostat:
            state = simulation.context.getState(positions=True, velocities=True)
            simulation = app.Simulation(topology, system, openmm.VerletIntegrator(STEP), device)
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


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", type=int, nargs="+", default=[64, 1000])
    parser.add_argument("--epsilon", type=float, nargs="+", default=[1e-4, 1e-5])
    parser.add_argument("--platform", default="CPU")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--drift", type=float, default=0, help="ps without a thermostat, in place of step times")
    args = parser.parse_args()
    print(f"{description(args.platform, 'single')}\n")
    print(
        "| molecules | response | iterations | drift / kT per ns and degree of freedom |\n|---|---|---|---|"
        if args.drift
        else "| molecules | response | iterations | time of a step over direct |\n|---|---|---|---|"
    )
    for molecules in args.molecules:
        settings = {"direct": (PolarMPForce.Direct, 1e-5)}
        settings |= {f"mutual, {e:g}": (PolarMPForce.Mutual, e) for e in args.epsilon}
        runs = {n: Run.of_water(molecules, *s, args.platform, not args.drift) for n, s in settings.items()}
        rounds = round(args.drift / (STEPS * STEP)) if args.drift else args.rounds
        for _ in range(rounds):
            for run in runs.values():
                run.measure(STEPS)
        direct = statistics.median(runs["direct"].milliseconds)
        for name, run in runs.items():
            if args.drift:
                slope, error = run.drift(STEPS * STEP)
                result = f"{slope:.1e} +- {error:.0e}"
            else:
                result = f"{statistics.median(run.milliseconds) / direct:.2f}"
            print(f"| {molecules} | {name} | {statistics.mean(run.iterations):.1f} | {result} |", flush=True)


if __name__ == "__main__":
    main()
