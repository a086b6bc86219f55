"""A water model in use: NVT, then NVE; bonds, structure, temperature and the drift of the energy. Goes on after an interruption.

    python examples/train_water/validate.py polarmp-water out --molecules 64 --nvt 50 --nve 50

Leaves trajectories (DCD), energies and dipoles (CSV; `polarmp ir` makes a spectrum of the NVE part) and prints whether a
bond broke, the first peak of the O-O distribution, the mean temperature and the drift of the total energy in NVE in
kT per degree of freedom per ns, with its standard error.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

from openmm_polarmp import PolarMPForce
from openmm_polarmp.demo.run import water_box
from openmm_polarmp.reporters import DipoleReporter, ExtrapolationReporter

STEP = 0.5  # fs
EVERY = 20  # steps between two reports of energies and positions
BETWEEN_CHECKPOINTS = 2000
LONGEST_BOND = 1.35  # A; the longest O-H distance in the training data is 1.2


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
    system.addForce(force)
    system.addForce(openmm.CMMotionRemover())
    system.setDefaultPeriodicBoxVectors(*pdb.topology.getPeriodicBoxVectors())
    if ensemble == "nvt":
        integrator = openmm.LangevinMiddleIntegrator(300, 2, STEP * 1e-3)
        integrator.setRandomNumberSeed(1)
    else:
        integrator = openmm.VerletIntegrator(STEP * 1e-3)
    simulation = app.Simulation(pdb.topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(pdb.positions)
    return simulation


def run(model: str, molecules: int, folder: Path, ensemble: str, picoseconds: float) -> app.Simulation:
    """Run a part to its end, from its last checkpoint."""
    total = round(picoseconds * 1000 / STEP)
    simulation = simulation_of(model, molecules, folder, ensemble)
    checkpoint = folder / f"{ensemble}.xml"
    going_on = checkpoint.exists()
    if going_on:
        simulation.loadState(str(checkpoint))
        trim(folder / f"{ensemble}.csv", simulation.currentStep)
        if ensemble == "nve":
            trim(folder / "nve-dipoles.csv", simulation.currentStep)
    elif ensemble == "nve":
        state = openmm.XmlSerializer.deserialize((folder / "nvt.xml").read_text())
        simulation.context.setPositions(state.getPositions())
        simulation.context.setVelocities(state.getVelocities())
    else:
        simulation.minimizeEnergy(maxIterations=100)
        simulation.context.setVelocitiesToTemperature(300, 1)
    bonds = BondReporter(EVERY)
    quantities = {"step": True, "time": True, "potentialEnergy": True, "totalEnergy": True, "temperature": True}
    energies = open(folder / f"{ensemble}.csv", "a" if going_on else "w")
    simulation.reporters += [
        app.StateDataReporter(energies, EVERY, append=going_on, **quantities),
        app.DCDReporter(
            str(folder / f"{ensemble}-{simulation.currentStep:09d}.dcd"), 5 * EVERY, enforcePeriodicBox=False
        ),
        bonds,
        ExtrapolationReporter(str(folder / f"{ensemble}-range.csv"), 5 * EVERY, action="record", tolerance=0.005),
    ]
    if ensemble == "nve":
        simulation.reporters.append(DipoleReporter(str(folder / "nve-dipoles.csv"), 4, append=going_on))
    while simulation.currentStep < total:
        simulation.step(min(BETWEEN_CHECKPOINTS, total - simulation.currentStep))
        energies.flush()
        simulation.saveState(str(checkpoint))
        if bonds.longest > LONGEST_BOND:
            raise SystemExit(f"{ensemble}: a bond broke, {bonds.longest:.2f} A, before step {simulation.currentStep}")
        print(
            f"{ensemble} {simulation.currentStep * STEP / 1000:.1f} of {picoseconds} ps, longest O-H {bonds.longest:.2f} A",
            flush=True,
        )
    return simulation


def trim(path: Path, last: int) -> None:
    """Drop rows after the checkpoint: they will be written again."""
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[:1] + [row for row in rows[1:] if row[0] != "#" and int(row.split(",")[0]) <= last]))


def column(path: Path, name: str) -> np.ndarray:
    """A column of one of OpenMM's tables."""
    with path.open() as stream:
        rows = list(csv.reader(stream))
    head = [title.strip('#"') for title in rows[0]]
    return np.array([float(row[head.index(name)]) for row in rows[1:]])


def first_peak(folder: Path, ensemble: str) -> tuple[float, float]:
    """Position (A) and height of the first peak of the O-O distribution."""
    import mdtraj

    # A restart of a part that was finished leaves an empty file.
    files = sorted(str(p) for p in folder.glob(f"{ensemble}-0*.dcd") if p.stat().st_size > 0)
    trajectory = mdtraj.load(files, top=str(folder / "start.pdb"))
    oxygens = trajectory.topology.select("element O")
    pairs = trajectory.topology.select_pairs(oxygens, oxygens)
    reach = min(0.6, 0.5 * float(trajectory.unitcell_lengths.min()))
    r, g = mdtraj.compute_rdf(trajectory[len(trajectory) // 5 :], pairs, r_range=(0.2, reach), bin_width=0.005)
    return 10 * float(r[g.argmax()]), float(g.max())


def drift(folder: Path, molecules: int, blocks: int = 10) -> tuple[float, float]:
    """Slope of the total energy in kT per degree of freedom per ns, and its standard error from the blocks' scatter."""
    energy = column(folder / "nve.csv", "Total Energy (kJ/mole)")
    time = column(folder / "nve.csv", "Time (ps)")
    size = len(energy) // blocks
    means = energy[: blocks * size].reshape(blocks, size).mean(1)
    centres = time[: blocks * size].reshape(blocks, size).mean(1)
    (slope, _), covariance = np.polyfit(centres, means, 1, cov=True)
    unit_of = 8.314462618e-3 * 300 * (9 * molecules - 3)
    return 1000 * slope / unit_of, 1000 * float(np.sqrt(covariance[0, 0])) / unit_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("output")
    parser.add_argument("--molecules", type=int, default=64)
    parser.add_argument("--nvt", type=float, default=50, help="ps")
    parser.add_argument("--nve", type=float, default=0, help="ps")
    options = parser.parse_args()
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    run(options.model, options.molecules, folder, "nvt", options.nvt)
    if options.nve:
        run(options.model, options.molecules, folder, "nve", options.nve)
    for ensemble in ("nvt", "nve")[: 2 if options.nve else 1]:
        temperature = column(folder / f"{ensemble}.csv", "Temperature (K)")
        second_half = temperature[len(temperature) // 2 :]
        place, height = first_peak(folder, ensemble)
        outside = max(0, len((folder / f"{ensemble}-range.csv").read_text().splitlines()) - 1)
        print(
            f"{ensemble}: no bond broke; {second_half.mean():.0f} K in the second half; O-O first peak at {place:.2f} A, "
            f"height {height:.2f}; {outside} reports outside the training range"
        )
    if options.nve:
        slope, error = drift(folder, options.molecules)
        print(f"nve: energy drift {slope:+.2g} +- {error:.2g} kT per degree of freedom per ns over {options.nve:g} ps")


if __name__ == "__main__":
    main()
