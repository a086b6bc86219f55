"""A water model in use: constant temperature, from it pieces at constant energy, and constant pressure. Goes on after an interruption.

    python examples/train_water/validate.py polarmp-water out --nvt 1000 --pieces 8 --nve 25 --npt 200

Leaves trajectories (DCD), energies, dipoles and polarizabilities (CSV) of every part; stops where a bond breaks. properties.py
tells what came of it, `polarmp ir` and `polarmp raman` make spectra of the pieces.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

from openmm_polarmp import PolarMPForce
from openmm_polarmp.demo.run import water_box
from openmm_polarmp.reporters import DipoleReporter, ExtrapolationReporter, PolarizabilityReporter

STEP = 0.5  # fs
TEMPERATURE = 300.0  # K
EPS_INF = 1.78  # of water
EVERY = 20  # steps between two rows of energies
OPTICAL = 4  # steps between two dipoles and polarizabilities at constant energy
FRAMES = 100  # steps between two frames
BETWEEN_CHECKPOINTS = 2000
LONGEST_BOND = 1.35  # A; no thermal motion reaches it


@dataclass(frozen=True)
class Part:
    """A run of its own: its name, ensemble (nvt, nve or npt), length, and the state that it starts from."""

    name: str
    ensemble: str
    picoseconds: float
    start: str | None = None

    @property
    def steps(self) -> int:
        return round(self.picoseconds * 1000 / STEP)


class BondReporter:
    """Remembers the longest O-H bond."""

    def __init__(self, interval: int) -> None:
        self.interval, self.longest = interval, 0.0

    def describeNextReport(self, simulation):
        return {
            "steps": self.interval - simulation.currentStep % self.interval,
            "periodic": False,
            "include": ["positions"],
        }

    def report(self, simulation, state):
        r = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom).reshape(-1, 3, 3)
        self.longest = max(self.longest, float(np.linalg.norm(r[:, 1:] - r[:, :1], axis=2).max()))


def simulation_of(model: str, molecules: int, folder: Path, ensemble: str) -> app.Simulation:
    """The Simulation of a part; the box is made once and kept."""
    start = folder / "start.pdb"
    if not start.exists():
        topology, positions = water_box(molecules)
        with start.open("w") as stream:
            app.PDBFile.writeFile(topology, positions, stream)
    pdb = app.PDBFile(str(start))
    system = openmm.System()
    for atom in pdb.topology.atoms():
        system.addParticle(atom.element.mass)
    force = PolarMPForce(model, atomic_numbers=[atom.element.atomic_number for atom in pdb.topology.atoms()])
    force.setNonbondedMethod(PolarMPForce.PME)
    force.setEpsInf(EPS_INF)
    system.addForce(force)
    system.addForce(openmm.CMMotionRemover())
    system.setDefaultPeriodicBoxVectors(*pdb.topology.getPeriodicBoxVectors())
    if ensemble == "nve":
        integrator = openmm.VerletIntegrator(STEP * 1e-3)
    else:
        integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 2, STEP * 1e-3)
        integrator.setRandomNumberSeed(1)
    if ensemble == "npt":
        barostat = openmm.MonteCarloBarostat(1, TEMPERATURE, 25)
        barostat.setRandomNumberSeed(1)
        system.addForce(barostat)
    simulation = app.Simulation(pdb.topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(pdb.positions)
    return simulation


def begin(simulation: app.Simulation, start: Path | None) -> None:
    """Positions and velocities of the first step."""
    if start is None:
        simulation.minimizeEnergy(maxIterations=100)
        simulation.context.setVelocitiesToTemperature(TEMPERATURE, 1)
        return
    state = openmm.XmlSerializer.deserialize(start.read_text())
    simulation.context.setPositions(state.getPositions())
    simulation.context.setVelocities(state.getVelocities())


def reporters_of(part: Part, folder: Path, bonds: BondReporter, step: int) -> list:
    """What is written along a part that goes on at a step."""
    going_on = step > 0
    files = {kind: folder / f"{part.name}-{kind}.csv" for kind in ("energies", "dipoles", "polarizability")}
    for path in files.values():
        if going_on and path.exists():
            trim(path, step)
    quantities = {"time": True, "potentialEnergy": True, "totalEnergy": True, "temperature": True, "density": True}
    trajectory, outside = folder / f"{part.name}-{step:09d}.dcd", folder / f"{part.name}-range.csv"
    reporters = [
        app.StateDataReporter(
            open(files["energies"], "a" if going_on else "w"), EVERY, append=going_on, step=True, **quantities
        ),
        app.DCDReporter(str(trajectory), FRAMES, enforcePeriodicBox=False),
        bonds,
        ExtrapolationReporter(str(outside), FRAMES, action="record", tolerance=0.005),
    ]
    if part.ensemble == "nve":
        reporters.append(DipoleReporter(str(files["dipoles"]), OPTICAL, append=going_on))
        reporters.append(PolarizabilityReporter(str(files["polarizability"]), OPTICAL, append=going_on))
    elif part.ensemble == "nvt":
        reporters.append(DipoleReporter(str(files["dipoles"]), EVERY, append=going_on, current=False))
        reporters.append(PolarizabilityReporter(str(files["polarizability"]), 50 * EVERY, append=going_on))
    return reporters


def run(model: str, molecules: int, folder: Path, part: Part, pieces: int = 0) -> None:
    """Run a part to its end, from its last checkpoint; keep its states at equal times as starts for pieces."""
    simulation = simulation_of(model, molecules, folder, part.ensemble)
    checkpoint = folder / f"{part.name}.xml"
    if checkpoint.exists():
        simulation.loadState(str(checkpoint))
    else:
        begin(simulation, None if part.start is None else folder / part.start)
    if simulation.currentStep >= part.steps:
        return
    bonds = BondReporter(EVERY)
    simulation.reporters += reporters_of(part, folder, bonds, simulation.currentStep)
    kept = [part.steps * number // pieces for number in range(1, pieces + 1)]
    while (now := simulation.currentStep) < part.steps:
        simulation.step(min([step for step in kept if step > now] + [now + BETWEEN_CHECKPOINTS, part.steps]) - now)
        if simulation.currentStep in kept:
            simulation.saveState(str(folder / f"start-{kept.index(simulation.currentStep) + 1}.xml"))
        simulation.saveState(str(checkpoint))
        if bonds.longest > LONGEST_BOND:
            raise SystemExit(f"{part.name}: a bond broke, {bonds.longest:.2f} A, before step {simulation.currentStep}")
        done = simulation.currentStep * STEP / 1000
        print(f"{part.name} {done:.1f} of {part.picoseconds:g} ps, longest O-H {bonds.longest:.2f} A", flush=True)


def trim(path: Path, last: int) -> None:
    """Drop rows after the checkpoint: they will be written again."""
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[:1] + [row for row in rows[1:] if row[0] != "#" and int(row.split(",")[0]) <= last]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("output")
    parser.add_argument("--molecules", type=int, default=64)
    parser.add_argument("--nvt", type=float, default=50, help="ps at constant temperature (default 50)")
    parser.add_argument("--pieces", type=int, default=1, help="of constant energy, from equal times of it (default 1)")
    parser.add_argument("--nve", type=float, default=0, help="ps of each piece (default 0)")
    parser.add_argument("--npt", type=float, default=0, help="ps at 1 bar (default 0)")
    options = parser.parse_args()
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        Part(f"nve-{k}", "nve", options.nve, f"start-{k}.xml") for k in range(1, options.pieces + 1) if options.nve
    ]
    parts += [Part("npt", "npt", options.npt)] if options.npt else []
    run(options.model, options.molecules, folder, Part("nvt", "nvt", options.nvt), options.pieces)
    for part in parts:
        run(options.model, options.molecules, folder, part)


if __name__ == "__main__":
    main()
