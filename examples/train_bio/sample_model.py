"""Structures from a model's own dynamics: what it has to learn next (active learning).

    python examples/train_bio/sample_model.py structures.extxyz polarmp-demo-bio/model.polarmp hard.extxyz --runs 150

Short runs at 300 to 500 K from random structures of the first round. A model that has seen force-field structures only
wanders into places where it knows nothing. Kept are the frame where a bond first leaves its range, which ends a run, the first and the
fourth look that is outside the range of the model's training data, and two frames at random. `polarmp label` gives them the answers,
and a training that starts from the model learns them.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
import openmm
from ase.neighborlist import build_neighbor_list, natural_cutoffs
from openmm import app, unit

from openmm_polarmp import PolarMPForce
from openmm_polarmp.reporters import ExtrapolationReporter

STRETCHED = 1.35  # of a bond's length at the start: no thermal motion reaches it
CHECK = 25  # steps between two looks
KEPT = ("source", "part")  # of the frame's info: what is held out stays held out


def bonds_of(frame: ase.Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [B, 2] that are bonded, and their lengths; ions have none."""
    neighbor_list = build_neighbor_list(frame, natural_cutoffs(frame, mult=1.1), skin=0.0, self_interaction=False)
    pairs = [(i, j) for i in range(len(frame)) for j in neighbor_list.get_neighbors(i)[0] if i < j]
    if "molecules" in frame.arrays:
        molecules = frame.arrays["molecules"]
        pairs = [p for p in pairs if molecules[p[0]] == molecules[p[1]]]
    else:
        pairs = [p for p in pairs if not {"Na", "Cl"} & {frame.symbols[p[0]], frame.symbols[p[1]]}]
    return np.array(pairs).reshape(-1, 2), np.array([frame.get_distance(i, j, mic=True) for i, j in pairs])


def run(model: str, start: ase.Atoms, steps: int, rng: np.random.Generator) -> tuple[list[ase.Atoms], bool]:
    """Frames to label, and whether a bond left its range."""
    system = openmm.System()
    for mass in start.get_masses():
        system.addParticle(mass)
    charge = float(start.info.get("total_charge", 0.0))
    force = PolarMPForce(model, atomic_numbers=list(start.numbers), total_charge=charge)
    if start.pbc.any():
        system.setDefaultPeriodicBoxVectors(*(0.1 * start.cell.array))
        force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    temperature = rng.choice([300, 400, 500]) * unit.kelvin
    integrator = openmm.LangevinMiddleIntegrator(temperature, 5, 0.0005)
    integrator.setRandomNumberSeed(int(rng.integers(1, 2**30)))
    simulation = app.Simulation(topology_of(start), system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context = simulation.context
    context.setPositions(0.1 * start.positions)
    context.setVelocitiesToTemperature(temperature, int(rng.integers(1, 2**30)))
    reporter = ExtrapolationReporter(None, CHECK, action="record")
    simulation.reporters.append(reporter)
    pairs, lengths = bonds_of(start)
    sampled = set(rng.choice(np.arange(4, steps // CHECK), 2, replace=False))
    kept: list[ase.Atoms] = []
    outside = 0
    for look in range(steps // CHECK):
        before = reporter.violations
        simulation.step(CHECK)
        frame = start.copy()
        frame.calc = None
        frame.info = {"total_charge": charge, "kind": "model"} | {k: start.info[k] for k in KEPT if k in start.info}
        frame.arrays.pop("forces", None)
        positions = context.getState(positions=True).getPositions(asNumpy=True)
        frame.positions = positions.value_in_unit(unit.angstrom)
        now = np.array([frame.get_distance(i, j, mic=True) for i, j in pairs])
        if len(now) and (now / lengths).max() > STRETCHED:
            return [*kept, frame], True
        outside += reporter.violations > before
        if look in sampled or (reporter.violations > before and outside in (1, 4)):
            kept.append(frame)
    return kept, False


def topology_of(frame: ase.Atoms) -> app.Topology:
    """The elements of the atoms, all in one residue."""
    topology = app.Topology()
    residue = topology.addResidue("ALL", topology.addChain())
    for number in frame.numbers:
        element = app.Element.getByAtomicNumber(int(number))
        topology.addAtom(element.symbol, element, residue)
    return topology


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures")
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--steps", type=int, default=800, help="of 0.5 fs, of each run (default 800)")
    parser.add_argument("--smallest", type=int, default=20, help="number of atoms (default 20)")
    parser.add_argument("--largest", type=int, default=250, help="number of atoms (default 250)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    starts = [f for f in ase.io.read(options.structures, ":") if options.smallest <= len(f) <= options.largest]
    frames, broken = [], 0
    for number, which in enumerate(rng.choice(len(starts), options.runs, replace=options.runs > len(starts)), 1):
        kept, broke = run(options.model, starts[which], options.steps, rng)
        frames += kept
        broken += broke
        print(f"run {number} of {options.runs}: {len(frames)} frames, bonds left their range in {broken}", flush=True)
    ase.io.write(options.out, frames)


if __name__ == "__main__":
    main()
