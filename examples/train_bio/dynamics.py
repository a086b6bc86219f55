"""Dynamics of a model at 300 K, 0.5 fs: bonds, training range, dihedrals of a peptide, density of water. Goes on after an interruption.

    python examples/train_bio/dynamics.py MODEL FOLDER alanine --ps 25

Systems, all atoms by the model: ``alanine`` (capped, in water), ``dipeptide`` (Lys-Ala with charged ends and chloride), ``peptide`` (ten
residues in more than 500 waters, with chloride), ``water`` (216 molecules at 1 bar). A force field relaxes them first; as MODEL
``force-field`` it also makes the run, to compare with.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import openmm
from boxes import peptide
from openmm import app, unit

from openmm_polarmp import PolarMPForce
from openmm_polarmp.reporters import ExtrapolationReporter

STEP = 0.5  # fs
EVERY = 100  # steps between two frames
BETWEEN_CHECKPOINTS = 1000
LONGEST = 1.35  # of a bond's length after the relaxation: no thermal motion reaches it
SEQUENCES = {"dipeptide": ("KA", 2.0), "peptide": ("GAKSTEVLNK", 2.6)}
"""Residues and size of the box in nm."""
FIELD = ("amber14-all.xml", "amber14/tip3p.xml")


def start(name: str, folder: Path) -> app.PDBFile:
    """The system after a relaxation by the force field; made once and kept."""
    path = folder / "start.pdb"
    if not path.exists():
        field = app.ForceField(*FIELD)
        if name in SEQUENCES:
            field, modeller = peptide(*SEQUENCES[name], seed=1)
        elif name == "alanine":
            pdb = app.PDBFile(str(Path(__file__).parents[1] / "alanine_dipeptide.pdb"))
            modeller = app.Modeller(pdb.topology, pdb.positions)
            modeller.addSolvent(field, boxSize=openmm.Vec3(2, 2, 2) * unit.nanometer)
        else:
            modeller = app.Modeller(app.Topology(), [])
            modeller.addSolvent(field, numAdded=216)
        simulation = app.Simulation(modeller.topology, *by_force_field(modeller.topology), cpu())
        simulation.context.setPositions(modeller.positions)
        simulation.minimizeEnergy(maxIterations=300)
        simulation.context.setVelocitiesToTemperature(300, 1)
        simulation.step(4000)
        positions = simulation.context.getState(positions=True).getPositions()
        with path.open("w") as stream:
            app.PDBFile.writeFile(modeller.topology, positions, stream)
    return app.PDBFile(str(path))


def cpu() -> openmm.Platform:
    return openmm.Platform.getPlatformByName("CPU")


def integrator() -> openmm.Integrator:
    dynamics = openmm.LangevinMiddleIntegrator(300, 2, STEP * 1e-3)
    dynamics.setRandomNumberSeed(1)
    return dynamics


def by_force_field(topology: app.Topology) -> tuple[openmm.System, openmm.Integrator]:
    """Amber14 with flexible TIP3P."""
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.8 * unit.nanometer, "rigidWater": False}
    return app.ForceField(*FIELD).createSystem(topology, **options), integrator()


def by_model(model: str, topology: app.Topology) -> tuple[openmm.System, openmm.Integrator]:
    """All atoms by the model."""
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    force = PolarMPForce(model, atomic_numbers=[atom.element.atomic_number for atom in topology.atoms()])
    force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    system.addForce(openmm.CMMotionRemover())
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    return system, integrator()


class BondReporter:
    """Remembers the largest ratio of a bond to its length at the start."""

    def __init__(self, topology: app.Topology, positions: np.ndarray) -> None:
        self.pairs = np.array([(a.index, b.index) for a, b in topology.bonds()])
        self.first, self.largest, self.which = self.lengths(positions), 0.0, ""
        self.names = [f"{a.residue.name} {a.name}-{b.name}" for a, b in topology.bonds()]

    def lengths(self, positions: np.ndarray) -> np.ndarray:
        return np.linalg.norm(positions[self.pairs[:, 0]] - positions[self.pairs[:, 1]], axis=1)

    def describeNextReport(self, simulation):
        return {"steps": 20 - simulation.currentStep % 20, "periodic": False, "include": ["positions"]}

    def report(self, simulation, state):
        ratios = self.lengths(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)) / self.first
        if ratios.max() > self.largest:
            self.largest, self.which = float(ratios.max()), self.names[int(ratios.argmax())]


def run(model: str | None, name: str, folder: Path, picoseconds: float) -> None:
    """Run to the end, from the last checkpoint."""
    pdb = start(name, folder)
    system, dynamics = by_force_field(pdb.topology) if model is None else by_model(model, pdb.topology)
    if name == "water":
        barostat = openmm.MonteCarloBarostat(1, 300, 25)
        barostat.setRandomNumberSeed(1)
        system.addForce(barostat)
    simulation = app.Simulation(pdb.topology, system, dynamics, cpu())
    simulation.context.setPositions(pdb.positions)
    checkpoint, total = folder / "checkpoint.xml", round(picoseconds * 1000 / STEP)
    going_on = checkpoint.exists()
    if going_on:
        simulation.loadState(str(checkpoint))
    else:
        simulation.minimizeEnergy(maxIterations=50)
        simulation.context.setVelocitiesToTemperature(300, 1)
    bonds = BondReporter(pdb.topology, np.array(pdb.positions.value_in_unit(unit.nanometer)))
    number = simulation.currentStep
    energies = open(folder / f"energies-{number:09d}.csv", "w")
    columns = {"step": True, "time": True, "potentialEnergy": True, "temperature": True, "density": True}
    simulation.reporters += [
        app.StateDataReporter(energies, EVERY, **columns),
        app.DCDReporter(str(folder / f"trajectory-{number:09d}.dcd"), EVERY, enforcePeriodicBox=False),
        bonds,
    ]
    if model is not None:
        outside = ExtrapolationReporter(str(folder / f"range-{number:09d}.csv"), EVERY, action="record")
        simulation.reporters.append(outside)
    while simulation.currentStep < total:
        simulation.step(min(BETWEEN_CHECKPOINTS, total - simulation.currentStep))
        energies.flush()
        simulation.saveState(str(checkpoint))
        violations = (
            "" if model is None else f", {outside.violations} of {outside.reports} looks outside the training range"
        )
        print(
            f"{simulation.currentStep * STEP / 1000:.1f} of {picoseconds:g} ps, longest bond {bonds.largest:.2f} of its first "
            f"length ({bonds.which}){violations}",
            flush=True,
        )
        if bonds.largest > LONGEST:
            raise SystemExit(f"a bond broke: {bonds.which}, {bonds.largest:.2f} times its first length")


def summarize(name: str, folder: Path) -> None:
    """Means over the second half, and the dihedrals of the peptide in dihedrals.csv (degrees)."""
    import mdtraj

    rows = [line.split(",") for path in sorted(folder.glob("energies-*.csv")) for line in path.read_text().splitlines()]
    values = np.array([[float(v) for v in row] for row in rows if not row[0].startswith("#")])
    second = values[len(values) // 2 :]
    blocks = np.array([block[:, 3:].mean(0) for block in np.array_split(second, 5)])
    errors = blocks.std(0, ddof=1) / np.sqrt(len(blocks))
    print(
        f"{values[-1, 1]:.1f} ps; second half: {second[:, 3].mean():.0f} +- {errors[0]:.0f} K, density {second[:, 4].mean():.3f} +- {errors[1]:.3f} g/ml"
    )
    if name == "water":
        return
    files = sorted(str(p) for p in folder.glob("trajectory-*.dcd") if p.stat().st_size > 0)
    trajectory = mdtraj.load(files, top=str(folder / "start.pdb"))
    angles = np.concatenate([compute(trajectory)[1] for compute in (mdtraj.compute_phi, mdtraj.compute_psi)], 1)
    header = ",".join(
        [f"phi {n}" for n in range(angles.shape[1] // 2)] + [f"psi {n}" for n in range(angles.shape[1] // 2)]
    )
    np.savetxt(folder / "dihedrals.csv", np.degrees(angles), fmt="%.1f", delimiter=",", header=header, comments="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model file, the name of a shipped model, or force-field")
    parser.add_argument("folder", type=Path)
    parser.add_argument("system", choices=["alanine", "dipeptide", "peptide", "water"])
    parser.add_argument("--ps", type=float, default=25.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    run(None if options.model == "force-field" else options.model, options.system, options.folder, options.ps)
    summarize(options.system, options.folder)


if __name__ == "__main__":
    main()
