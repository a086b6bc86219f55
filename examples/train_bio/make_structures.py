"""Structures for the demonstration model of salt water and capped peptides: clusters and small boxes of H, C, N, O, Na, Cl.

    python examples/train_bio/make_structures.py structures.extxyz --frames 780

A force field (Amber14 with flexible TIP3P) moves capped amino acids, water and ions in a box at 350 to 600 K; from its snapshots
spheres are cut: a peptide with the water around it, an ion with its shell, water alone, ions in contact. Small boxes of
salt water are taken whole. `polarmp label` then gives them energies and forces.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
import openmm
from openmm import app, unit

ANGSTROM, KELVIN, PS = unit.angstrom, unit.kelvin, unit.picosecond

CPU = openmm.Platform.getPlatformByName("CPU")

# Heavy atoms of ACE-X-NME: residue, name, reference atoms, distance A, angle and dihedral in degrees.
CAPS = [
    ("ACE", "CH3", (), 0, 0, 0),
    ("ACE", "C", ("ACE-CH3",), 1.52, 0, 0),
    ("ACE", "O", ("ACE-C", "ACE-CH3"), 1.23, 120, 0),
    ("X", "N", ("ACE-C", "ACE-CH3", "ACE-O"), 1.34, 116, 180),
    ("X", "CA", ("X-N", "ACE-C", "ACE-CH3"), 1.46, 122, 180),
    ("X", "C", ("X-CA", "X-N", "ACE-C"), 1.52, 111, -80),
    ("X", "O", ("X-C", "X-CA", "X-N"), 1.23, 120, -40),
    ("NME", "N", ("X-C", "X-CA", "X-N"), 1.34, 116, 140),
    ("NME", "C", ("NME-N", "X-C", "X-CA"), 1.46, 122, 180),
]
BETA = ("CB", ("X-CA", "X-N", "ACE-C"), 1.53, 110, 160)
SIDE_CHAINS = {
    "GLY": [],
    "ALA": [BETA],
    "SER": [BETA, ("OG", ("X-CB", "X-CA", "X-N"), 1.42, 110, 60)],
    "ASN": [
        BETA,
        ("CG", ("X-CB", "X-CA", "X-N"), 1.52, 112, -60),
        ("OD1", ("X-CG", "X-CB", "X-CA"), 1.23, 121, 0),
        ("ND2", ("X-CG", "X-CB", "X-CA"), 1.33, 117, 180),
    ],
}


def place(references: list[np.ndarray], distance: float, angle: float, dihedral: float) -> np.ndarray:
    """The point at a distance, angle and dihedral from up to three others."""
    if not references:
        return np.zeros(3)
    b = references[1] if len(references) > 1 else references[0] - np.array([1.0, 0, 0])
    c = references[2] if len(references) > 2 else b + np.array([0.3, 1.0, 0.2])
    axis = (references[0] - b) / np.linalg.norm(references[0] - b)
    normal = np.cross(b - c, axis)
    normal /= np.linalg.norm(normal)
    t, p = np.deg2rad(180 - angle), np.deg2rad(dihedral)
    side = np.cos(p) * np.cross(normal, axis) + np.sin(p) * normal
    return references[0] + distance * (np.cos(t) * axis + np.sin(t) * side)


def capped(residue: str) -> app.Modeller:
    """ACE-residue-NME with hydrogens."""
    rows = [(where, *row) for where, *row in CAPS]
    rows[7:7] = [("X", *row) for row in SIDE_CHAINS[residue]]
    topology, positions, at, residues = app.Topology(), [], {}, {}
    chain = topology.addChain()
    for where, name, references, *shape in rows:
        if where not in residues:
            residues[where] = topology.addResidue(residue if where == "X" else where, chain)
        positions.append(place([at[r] for r in references], *shape))
        at[f"{where}-{name}"] = positions[-1]
        topology.addAtom(name, app.Element.getBySymbol(name[0]), residues[where])
    topology.createStandardBonds()
    modeller = app.Modeller(topology, np.array(positions) * ANGSTROM)
    modeller.addHydrogens(app.ForceField("amber14-all.xml"), platform=CPU)
    return modeller


def solvated(residue: str | None, size: float, pairs: int) -> tuple[app.Topology, openmm.System, np.ndarray]:
    """A peptide (or none) and ion pairs in a box of flexible water of that size in nm."""
    field = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), []) if residue is None else capped(residue)
    modeller.addSolvent(field, boxSize=openmm.Vec3(size, size, size) * unit.nanometer)
    waters = [r for r in modeller.topology.residues() if r.name == "HOH"]
    chosen = np.random.default_rng(0).permutation(len(waters))[: 2 * pairs]
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer))
    topology, kept = app.Topology(), []
    chain, atoms, ion_of = topology.addChain(), {}, {waters[w].index: ("NA", "CL")[i % 2] for i, w in enumerate(chosen)}
    for r in modeller.topology.residues():
        ion = ion_of.get(r.index)
        new = topology.addResidue(ion or r.name, chain)
        for a in list(r.atoms())[: 1 if ion else None]:
            element = app.Element.getBySymbol({"NA": "Na", "CL": "Cl"}[ion]) if ion else a.element
            atoms[a] = topology.addAtom(ion or a.name, element, new)
            kept.append(a.index)
    for a, b in modeller.topology.bonds():
        if a in atoms and b in atoms:
            topology.addBond(atoms[a], atoms[b])
    topology.setPeriodicBoxVectors(np.eye(3) * size * unit.nanometer)
    system = field.createSystem(
        topology, nonbondedMethod=app.PME, nonbondedCutoff=min(0.9, 0.45 * size) * unit.nanometer, rigidWater=False
    )
    return topology, system, positions[kept]


def distance_table(a: np.ndarray, b: np.ndarray, box: float) -> np.ndarray:
    """Distances between nearest images."""
    apart = a[:, None] - b[None]
    return np.linalg.norm(apart - box * np.round(apart / box), axis=2)


def spheres(topology: app.Topology, positions: np.ndarray, box: float, rng: np.random.Generator) -> ase.Atoms:
    """A random residue (never most of the water) with some of its nearest ones, as a cluster; A."""
    residues = [[a.index for a in r.atoms()] for r in topology.residues()]
    names = [r.name for r in topology.residues()]
    solute = [i for i, name in enumerate(names) if name in ("ACE", "ALA", "GLY", "SER", "ASN", "NME")]
    groups = ([[a for i in solute for a in residues[i]]] if solute else []) + [
        residues[i] for i, name in enumerate(names) if i not in solute
    ]
    kinds = (["peptide"] if solute else []) + [name for i, name in enumerate(names) if i not in solute]
    centre_kind = rng.choice(sorted(set(kinds)))
    centre = rng.choice([i for i, kind in enumerate(kinds) if kind == centre_kind])
    origin = positions[groups[centre]]
    distance = distance_table(positions, origin, box).min(1)
    near = sorted((i for i in range(len(groups)) if i != centre), key=lambda i: distance[groups[i]].min())
    count = int(rng.integers(0, 9)) if centre_kind == "peptide" else int(rng.integers(1, 13))
    chosen = [groups[centre], *(groups[i] for i in near[:count])]
    whole = []
    for group in chosen:
        r = positions[group]
        closest = np.unravel_index(distance_table(r, origin, box).argmin(), (len(r), len(origin)))
        whole.append(r - box * np.round((r[closest[0]] - origin[closest[1]]) / box))
    symbols = [a.element.symbol for a in topology.atoms()]
    members = [i for group in chosen for i in group]
    frame = ase.Atoms([symbols[i] for i in members], 10 * np.concatenate(whole))
    frame.info["total_charge"] = float(sum({"Na": 1, "Cl": -1}.get(symbols[i], 0) for i in members))
    frame.info["kind"] = {"HOH": "water", "NA": "ion", "CL": "ion"}.get(centre_kind, centre_kind)
    return frame


def snapshots(residue: str | None, size: float, pairs: int, count: int, whole: bool, seed: int) -> list[ase.Atoms]:
    """Frames along a simulation of one box."""
    rng = np.random.default_rng(seed)
    topology, system, positions = solvated(residue, size, pairs)
    integrator = openmm.LangevinMiddleIntegrator(350 * KELVIN, 5 / PS, 0.0005 * PS)
    integrator.setRandomNumberSeed(seed + 1)
    simulation = app.Simulation(topology, system, integrator, CPU)
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy(maxIterations=200)
    simulation.context.setVelocitiesToTemperature(350 * KELVIN, seed + 1)
    simulation.step(2000)
    frames = []
    for number in range(count):
        integrator.setTemperature(rng.choice([300, 350, 450, 600]) * KELVIN)
        simulation.step(300)
        state = simulation.context.getState(positions=True)
        r = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        if whole:
            frame = ase.Atoms([a.element.symbol for a in topology.atoms()], 10 * r, cell=[10 * size] * 3, pbc=True)
            frame.info |= {"total_charge": 0.0, "kind": "box"}
        else:
            frame = spheres(topology, r, size, rng)
        frame.info["run"] = f"{residue or 'water'}-{number}"
        frames.append(frame)
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=780, help="about how many clusters (default 780)")
    parser.add_argument("--boxes", type=int, default=50, help="how many small boxes (default 50)")
    parser.add_argument("--peptide-boxes", type=int, default=0, help="how many boxes with a peptide (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="another one gives other structures")
    options = parser.parse_args()
    share = options.frames // 6
    frames = []
    for seed, residue in enumerate(SIDE_CHAINS):
        frames += snapshots(residue, 2.0, 4, share, False, seed + options.seed)
    frames += snapshots(None, 1.9, 8, 2 * share, False, 10 + options.seed)
    for seed in (20, 21):
        frames += snapshots(None, 0.85, seed - 20, options.boxes // 2, True, seed + options.seed)
    for seed, residue in enumerate(SIDE_CHAINS):
        frames += snapshots(residue, 1.1, seed % 2, options.peptide_boxes // 4, True, 30 + seed + options.seed)
    ase.io.write(options.out, frames)
    print(f"{len(frames)} structures of {min(map(len, frames))} to {max(map(len, frames))} atoms in {options.out}")


if __name__ == "__main__":
    main()
