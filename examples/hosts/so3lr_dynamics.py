"""Dynamics with SO3LR at 300 K: a box of 64 water molecules, or a dipeptide in water. Continues an interrupted run.

    python examples/hosts/so3lr_dynamics.py water --steps 20000 --output so3lr-water
    python examples/hosts/so3lr_dynamics.py dipeptide --steps 1000 --output so3lr-dipeptide

The state is saved every 100 steps of 0.5 fs; the same command goes on from the last one, also after a kill.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp.demo.run import water_box
from openmm_polarmp.models.radii import COVALENT_RADII

REPORT = 100  # steps
PLATFORM = openmm.Platform.getPlatformByName("CPU")
COLUMNS = ("step", "temperature_K", "potential_kJ/mol", "longest_bond", "seconds_by_step")


def solvated_dipeptide() -> tuple[app.Topology, unit.Quantity]:
    """Capped alanine in a box of water, which settled around it with a force field."""
    pdb = app.PDBFile(str(Path(__file__).parents[1] / "alanine_dipeptide.pdb"))
    forcefield = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.addSolvent(forcefield, boxSize=openmm.Vec3(1.8, 1.8, 1.8))
    system = forcefield.createSystem(
        modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.8, constraints=app.HBonds
    )
    relax = app.Simulation(modeller.topology, system, openmm.LangevinMiddleIntegrator(300, 5, 0.002), PLATFORM)
    relax.context.setPositions(modeller.positions)
    relax.minimizeEnergy(maxIterations=200)
    relax.step(2000)
    return modeller.topology, relax.context.getState(positions=True).getPositions()


def longest_bond(topology: app.Topology, positions: np.ndarray) -> float:
    """Largest bond length over the sum of the two covalent radii."""
    bonds = list(topology.bonds())
    pairs = np.array([(a.index, b.index) for a, b in bonds])
    radii = np.array([[COVALENT_RADII[atom.element.atomic_number - 1] for atom in bond] for bond in bonds]).sum(1)
    vectors = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    edges = np.diag(topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom))
    vectors -= edges * np.round(vectors / edges)
    return float((np.linalg.norm(vectors, axis=1) / radii).max())


def read_rows(path: Path, until: int) -> list[dict[str, str]]:
    """Rows of the table up to this step; an interrupted run may have written one more."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= until]


def summarize(rows: list[dict[str, str]], output: Path) -> None:
    """Print means over the second half of the run."""
    values = {name: np.array([float(row[name]) for row in rows]) for name in COLUMNS}
    half = len(rows) // 2
    temperature, energy = values["temperature_K"][half:], values["potential_kJ/mol"]
    quarters = [part.mean() for part in np.array_split(energy, min(4, len(energy)))]
    print(f"{len(rows) * REPORT} steps, {len(rows) * REPORT * 0.0005:g} ps")
    print(f"temperature, second half: {temperature.mean():.1f} K, standard deviation {temperature.std():.1f} K")
    print(f"potential energy, means of quarters: {', '.join(f'{q:.0f}' for q in quarters)} kJ/mol")
    print(f"longest bond of all reports: {values['longest_bond'].max():.3f} of the sum of covalent radii")
    print(f"seconds by step, median: {np.median(values['seconds_by_step']):.3f}")
    oxygen_distances(output, half)


def oxygen_distances(output: Path, skip: int) -> None:
    """Print the first peak of the distribution of O-O distances."""
    import mdtraj

    frames = mdtraj.load(str(output / "trajectory.dcd"), top=str(output / "start.pdb"))[skip:]
    oxygens = frames.topology.select("water and element O")
    pairs = frames.topology.select_pairs(oxygens, oxygens)
    r, g = mdtraj.compute_rdf(frames, pairs, r_range=(0.2, 0.55), bin_width=0.01)
    print(f"first peak of the O-O distribution: {g.max():.2f} at {10 * r[g.argmax()]:.2f} A, {len(frames)} frames")


def main() -> None:
    """Run or continue."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", choices=("water", "dipeptide"))
    parser.add_argument("--steps", type=int, default=20000, help="of 0.5 fs, the whole run")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    start, state, table = (options.output / name for name in ("start.pdb", "state.xml", "run.csv"))
    if not start.exists():
        topology, positions = water_box(64) if options.system == "water" else solvated_dipeptide()
        with start.open("w") as file:
            app.PDBFile.writeFile(topology, positions, file)
    pdb = app.PDBFile(str(start))
    system = MLPotential("polarmp", modelPath="so3lr").createSystem(pdb.topology)
    integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 1 / unit.picosecond, 0.5 * unit.femtosecond)
    simulation = app.Simulation(pdb.topology, system, integrator, PLATFORM)
    if state.exists():
        simulation.loadState(str(state))
    else:
        simulation.context.setPositions(pdb.positions)
        simulation.minimizeEnergy(maxIterations=30)
        simulation.context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
    rows = read_rows(table, simulation.currentStep)
    trajectory = options.output / "trajectory.dcd"
    simulation.reporters.append(app.DCDReporter(str(trajectory), REPORT, append=trajectory.exists()))
    freedom = 3 * system.getNumParticles()
    while simulation.currentStep < options.steps:
        began = time.perf_counter()
        simulation.step(REPORT)
        seconds = (time.perf_counter() - began) / REPORT
        now = simulation.context.getState(energy=True, positions=True)
        kinetic = now.getKineticEnergy().value_in_unit(unit.kilojoule_per_mole)
        positions = now.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        values = (
            simulation.currentStep,
            f"{2 * kinetic / (freedom * 0.00831446):.1f}",
            f"{now.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole):.2f}",
            f"{longest_bond(pdb.topology, positions):.4f}",
            f"{seconds:.4f}",
        )
        rows.append({name: str(value) for name, value in zip(COLUMNS, values, strict=True)})
        simulation.saveState(str(state) + ".new")
        os.replace(str(state) + ".new", state)
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    summarize(rows, options.output)


if __name__ == "__main__":
    main()
