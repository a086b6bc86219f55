"""A long run of a small box, watched: no growth of memory, finite energies, getters valid, survives a kill.

    python examples/endurance.py endurance --steps 200000

Ions with fixed charges and polarizabilities that repel each other at short range. The state is saved every 5,000 steps; kill the process at any time
(kill -9) and give the same command again: it goes on from the last state. Exit code 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

from openmm_polarmp import FixedMultipoles, PolarMPForce

PER_EDGE, EDGE = 4, 1.3  # ions along an edge, nm
REPORT = 5000


def memory() -> float:
    """Resident memory of this process, MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def make_simulation(platform: str) -> tuple[app.Simulation, PolarMPForce, np.ndarray]:
    """Molten salt."""
    corners = np.array([(x, y, z) for x in range(PER_EDGE) for y in range(PER_EDGE) for z in range(PER_EDGE)])
    sign = np.where(corners.sum(1) % 2 == 0, 1.0, -1.0)
    system, topology = openmm.System(), app.Topology()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * EDGE))
    topology.setPeriodicBoxVectors(np.eye(3) * EDGE * unit.nanometer)
    chain = topology.addChain()
    repulsion = openmm.CustomNonbondedForce("500*exp(-(r-0.2)/0.03)")
    repulsion.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    repulsion.setCutoffDistance(0.6)
    for s in sign:
        symbol = "Na" if s > 0 else "Cl"
        element = app.Element.getBySymbol(symbol)
        topology.addAtom(symbol, element, topology.addResidue(symbol, chain))
        system.addParticle(element.mass)
        repulsion.addParticle([])
    force = PolarMPForce(
        FixedMultipoles(charges=sign, polarizability=np.where(sign > 0, 0.005, 0.05), softness=0.002 + 0 * sign)
    )
    force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    system.addForce(repulsion)
    integrator = openmm.LangevinMiddleIntegrator(1200, 1, 0.001)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName(platform))
    simulation.context.setPositions(corners * EDGE / PER_EDGE)
    return simulation, force, sign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--platform", default="CPU")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    checkpoint = options.output / "state.xml"
    simulation, force, sign = make_simulation(options.platform)
    if checkpoint.exists():
        simulation.loadState(str(checkpoint))
        print(f"going on at step {simulation.currentStep}")
    else:
        simulation.context.setVelocitiesToTemperature(1200, 1)
    settled = None
    while simulation.currentStep < options.steps:
        simulation.step(min(REPORT, options.steps - simulation.currentStep))
        state = simulation.context.getState(energy=True, positions=True)
        energy = state.getPotentialEnergy()._value
        context = simulation.context
        fine = np.isfinite(energy) and np.isfinite(state.getPositions(asNumpy=True)._value).all()
        fine = (
            fine
            and np.allclose(force.getCharges(context), sign)
            and np.isfinite(force.getInducedDipoles(context)).all()
        )
        fine = fine and np.isfinite(force.getMomentGradients(context)["charges"]).all()
        used = memory()
        settled = used if settled is None else settled
        print(f"step {simulation.currentStep}: {energy:.1f} kJ/mol, {used:.1f} MB", flush=True)
        if not fine or used > settled + 20:
            print("not finite, or a getter is wrong" if not fine else f"memory grew by {used - settled:.1f} MB")
            return 1
        temporary = checkpoint.with_suffix(".tmp")
        simulation.saveState(str(temporary))
        temporary.replace(checkpoint)
    print("done: finite energies, valid getters, no growth of memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
