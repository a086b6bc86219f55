"""Frames from a model's dynamics in a box in which hydrogen atoms of different molecules come too close, to be labelled.

    python examples/train_bio/sample_holes.py polarmp-bio-fast-3/model.polarmp holes.extxyz --runs 11

The box is that of dynamics.py with a charged dipeptide and chloride. Where a model falls into a hole hydrogen atoms crowd together first;
such frames are kept, and two others of each run. A run ends when it is in the hole.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ase
import ase.io
import numpy as np
import openmm
from boxes import molecules
from dynamics import by_force_field, by_model, cpu, start
from frames import annotated
from openmm import app, unit

CLOSE, IN_THE_HOLE = 1.45, 0.95  # A
CHECK = 10  # steps between two looks
LOOKS, BETWEEN, MOST, ALWAYS = 280, 3, 14, (100, 200)
"""Looks of a run, looks between two frames that are kept, frames of a run, and looks that are kept whatever they show."""


def closest(positions: np.ndarray, hydrogens: np.ndarray, of: np.ndarray, edge: float) -> float:
    """Smallest distance of hydrogen atoms of different molecules, A."""
    r = positions[hydrogens]
    d = r[:, None] - r[None]
    d = np.linalg.norm(d - edge * np.round(d / edge), axis=2)
    return float(d[of[hydrogens][:, None] != of[hydrogens][None]].min())


def run(pdb: app.PDBFile, system: openmm.System, of: np.ndarray, charges: np.ndarray, seed: int) -> list[ase.Atoms]:
    """Frames of one run, with the molecule of each atom and the molecules' charges in e."""
    symbols = [atom.element.symbol for atom in pdb.topology.atoms()]
    hydrogens = np.flatnonzero(np.array(symbols) == "H")
    edge = 10 * pdb.topology.getPeriodicBoxVectors()[0][0].value_in_unit(unit.nanometer)
    integrator = openmm.LangevinMiddleIntegrator(300 + 25 * (seed % 4), 2, 0.0005)
    integrator.setRandomNumberSeed(seed + 1)
    context = openmm.Context(system, integrator, cpu())
    context.setPositions(pdb.positions)
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=50)
    context.setVelocitiesToTemperature(300, seed + 1)
    frames: list[ase.Atoms] = []
    last = -BETWEEN
    for look in range(LOOKS):
        integrator.step(CHECK)
        r = 10 * context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        distance = closest(r, hydrogens, of, edge)
        if (distance < CLOSE and look - last >= BETWEEN) or look in ALWAYS:
            frame = ase.Atoms(symbols, r, cell=[edge] * 3, pbc=True)
            frames.append(annotated(frame, of, charges, "model-box", "box with a dipeptide and chloride"))
            frames[-1].info["part"] = "train"
            last = look
        if distance < IN_THE_HOLE or len(frames) == MOST:
            break
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--folder", type=Path, default=Path("dipeptide"), help="of dynamics.py, for the box")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    pdb = start("dipeptide", options.folder)
    system, _ = by_model(options.model, pdb.topology)
    of, charges = molecules(pdb.topology, by_force_field(pdb.topology)[0])
    frames: list[ase.Atoms] = []
    for seed in range(options.runs):
        frames += run(pdb, system, of, charges, seed)
        print(f"run {seed + 1} of {options.runs}: {len(frames)} frames", flush=True)
        ase.io.write(options.out, frames)


if __name__ == "__main__":
    main()
