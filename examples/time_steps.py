"""Which time step is safe: the drift of the energy of water without a thermostat, against the time step.

    python examples/time_steps.py --picoseconds 5

Rows: flexible molecules with the masses of nature, with heavier hydrogens (hydrogen mass repartitioning), and rigid molecules,
whose bonds are held by constraints at their mean lengths. Drift in kT per ns and degree of freedom with its standard error from
quarters of the run, fluctuation in kT per degree of freedom.
"""

import argparse

import numpy as np
import openmm
from openmm import unit
from openmmml import MLPotential

from openmm_polarmp.demo.run import water_box

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--molecules", type=int, default=64)
parser.add_argument("--picoseconds", type=float, default=5.0)
parser.add_argument("--model", default="polarmp-water")
parser.add_argument("--only", type=int, help="so many rows of the table")
options = parser.parse_args()

KT = 300 * 0.00831446262
ROWS = [("flexible", None, step) for step in (0.25, 0.5, 0.75, 1.0, 1.5)]
ROWS += [("flexible", mass, step) for mass in (2.0, 4.0) for step in (0.5, 1.0, 1.5, 2.0)]
ROWS += [("rigid", None, step) for step in (1.0, 2.0, 3.0)]


def system_of(topology, hydrogen_mass=None, lengths=None):
    keywords = {} if hydrogen_mass is None else {"hydrogenMass": hydrogen_mass}
    system = MLPotential(options.model).createSystem(topology, **keywords)
    for first in range(0, system.getNumParticles() if lengths else 0, 3):
        system.addConstraint(first, first + 1, lengths[0])
        system.addConstraint(first, first + 2, lengths[0])
        system.addConstraint(first + 1, first + 2, lengths[1])
    return system


def context_of(system, integrator, positions):
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(positions)
    context.applyConstraints(1e-6)
    return context


def equilibrated(system, positions, picoseconds=1.0):
    """Positions and velocities after a run with a strong thermostat."""
    integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 10 / unit.picosecond, 0.5 * unit.femtosecond)
    context = context_of(system, integrator, positions)
    openmm.LocalEnergyMinimizer.minimize(context, 100, 20)
    context.setVelocitiesToTemperature(300, 1)
    integrator.step(round(2000 * picoseconds))
    state = context.getState(positions=True, velocities=True)
    return state.getPositions(asNumpy=True), state.getVelocities(asNumpy=True)


def drift(system, positions, velocities, femtoseconds):
    """Drift, its standard error, and fluctuation of the total energy."""
    integrator = openmm.VerletIntegrator(femtoseconds * unit.femtosecond)
    context = context_of(system, integrator, positions)
    context.setVelocities(velocities)
    context.applyVelocityConstraints(1e-6)
    freedom = 3 * system.getNumParticles() - system.getNumConstraints() - 3
    times, energies = [], []
    every = max(1, round(10 / femtoseconds))
    for _ in range(max(8, round(1000 * options.picoseconds / (every * femtoseconds)))):
        integrator.step(every)
        state = context.getState(energy=True)
        times.append(state.getTime().value_in_unit(unit.nanosecond))
        energies.append((state.getPotentialEnergy() + state.getKineticEnergy())._value / freedom / KT)
        if not np.isfinite(energies[-1]) or abs(energies[-1] - energies[0]) > 1:
            return np.inf, np.nan, np.inf
    times, energies = np.array(times), np.array(energies)
    slope, start = np.polyfit(times, energies, 1)
    quarters = [
        np.polyfit(t, e, 1)[0] for t, e in zip(np.array_split(times, 4), np.array_split(energies, 4), strict=True)
    ]
    return slope, np.std(quarters) / 2 / 4, (energies - slope * times - start).std()


topology, positions = water_box(options.molecules)
start, _ = equilibrated(system_of(topology), positions)
r = np.array(start.value_in_unit(unit.nanometer)).reshape(-1, 3, 3)
bonds = np.linalg.norm(r[:, 1:] - r[:, :1], axis=2)
lengths = bonds.mean(), np.linalg.norm(r[:, 1] - r[:, 2], axis=1).mean()
print(
    "| molecules | hydrogen mass (Da) | time step (fs) | drift (kT/ns per degree of freedom) | fluctuation (kT) |\n|---|---|---|---|---|"
)
states = {}
for kind, mass, step in ROWS[: options.only]:
    system = system_of(topology, mass, lengths if kind == "rigid" else None)
    if (kind, mass) not in states:
        states[kind, mass] = equilibrated(system, start)
    slope, error, fluctuation = drift(system, *states[kind, mass], step)
    text = f"{slope:.2g} +- {error:.1g} | {fluctuation:.2g}" if np.isfinite(slope) else "the energy runs away |"
    print(f"| {kind} | {mass or 1.008:g} | {step:g} | {text} |", flush=True)
