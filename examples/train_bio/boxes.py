"""Small boxes from force-field dynamics, without labels: water at several densities, and peptides in water with chloride.

    python examples/train_bio/boxes.py boxes.extxyz

Amber14 with flexible TIP3P at 280 to 600 K. The peptides have charged ends and are neutral or positive, as the teacher knows no
positive ion that could neutralize others; RDKit makes their first conformations.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
import openmm
from frames import annotated
from openmm import app, unit
from rdkit import Chem
from rdkit.Chem import AllChem

CPU = openmm.Platform.getPlatformByName("CPU")
WATER = [(1.0, 300), (1.0, 400), (0.97, 350), (1.03, 300), (1.06, 450), (0.98, 600), (1.0, 280), (1.02, 500)]
"""Stretch of a box of 64 molecules at 1 g/ml, and temperature in K."""
SEQUENCES = ["AKE", "RGD", "HSK", "WMN", "FQT", "YCP", "VIL", "KKA", "GRN", "DYK", "SHR", "TWK"]
"""Every one of the 20 residues is in one that is not held out."""
HELD_OUT = ["GRN", "DYK"]


def water(size: float) -> tuple[app.ForceField, app.Modeller]:
    """64 molecules in a cubic box of this size in nm."""
    field = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(field, numAdded=64)
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer))
    old = modeller.topology.getPeriodicBoxVectors()[0][0].value_in_unit(unit.nanometer)
    modeller.positions = (positions + (size / old - 1) * positions[::3].repeat(3, 0)) * unit.nanometer
    modeller.topology.setPeriodicBoxVectors(np.eye(3) * size * unit.nanometer)  # molecules keep their shape
    return field, modeller


def peptide(sequence: str, size: float, seed: int) -> tuple[app.ForceField, app.Modeller]:
    """A peptide in water, neutralized by chloride, in a cubic box of this size in nm."""
    molecule = Chem.AddHs(Chem.MolFromSequence(sequence))
    AllChem.EmbedMolecule(molecule, randomSeed=seed)
    molecule = Chem.RemoveHs(molecule)
    field = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    topology, residues = app.Topology(), {}
    chain = topology.addChain()
    for atom in molecule.GetAtoms():
        info = atom.GetPDBResidueInfo()
        if info.GetResidueNumber() not in residues:
            residues[info.GetResidueNumber()] = topology.addResidue(info.GetResidueName().strip(), chain)
        element = app.Element.getByAtomicNumber(atom.GetAtomicNum())
        topology.addAtom(info.GetName().strip(), element, residues[info.GetResidueNumber()])
    topology.createStandardBonds()
    modeller = app.Modeller(topology, molecule.GetConformer().GetPositions() * unit.angstrom)
    modeller.addHydrogens(field, platform=CPU)
    box = openmm.Vec3(size, size, size) * unit.nanometer
    modeller.addSolvent(field, boxSize=box, positiveIon="Na+", negativeIon="Cl-")
    return field, modeller


def molecules(topology: app.Topology, system: openmm.System) -> tuple[np.ndarray, np.ndarray]:
    """Molecule of each atom, and the molecules' charges in e."""
    (force,) = (f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    charges = np.array([force.getParticleParameters(i)[0]._value for i in range(system.getNumParticles())])
    members = np.arange(len(charges))
    changed = True
    while changed:
        changed = False
        for a, b in topology.bonds():
            lowest = min(members[a.index], members[b.index])
            changed |= bool((members[[a.index, b.index]] != lowest).any())
            members[[a.index, b.index]] = lowest
    members = np.unique(members, return_inverse=True)[1]
    return members, np.round(np.bincount(members, charges))


def run(
    field: app.ForceField, modeller: app.Modeller, temperature: float, count: int, seed: int, source: str
) -> list[ase.Atoms]:
    """Frames of a box; temperature in K."""
    topology = modeller.topology
    size = topology.getPeriodicBoxVectors()[0][0].value_in_unit(unit.nanometer)
    cutoff = min(0.45 * size, 0.9) * unit.nanometer
    system = field.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=cutoff, rigidWater=False)
    integrator = openmm.LangevinMiddleIntegrator(temperature, 5, 0.0005)
    integrator.setRandomNumberSeed(seed)
    simulation = app.Simulation(topology, system, integrator, CPU)
    simulation.context.setPositions(modeller.positions)
    simulation.minimizeEnergy(maxIterations=100)
    simulation.context.setVelocitiesToTemperature(temperature, seed)
    simulation.step(2000)
    members, charges = molecules(topology, system)
    frames = []
    for _ in range(count):
        simulation.step(500)
        r = simulation.context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        frame = ase.Atoms([a.element.symbol for a in topology.atoms()], r, cell=[10 * size] * 3, pbc=True)
        frames.append(annotated(frame, members, charges, "box", source))
    return frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=8, help="of each box (default 8)")
    parser.add_argument("--only", choices=["water", "peptides"])
    options = parser.parse_args()
    frames = []
    if options.only != "peptides":
        for seed, (stretch, temperature) in enumerate(WATER, 1):
            taken = run(*water(1.2417 * stretch), temperature, options.frames, seed, f"box {stretch} {temperature}")
            for number, frame in enumerate(taken):  # the last of each run is as far as they come
                frame.info["part"] = "train" if number < options.frames - 1 else "test"
            frames += taken
    if options.only != "water":
        for seed, sequence in enumerate(SEQUENCES, 101):
            temperature = (300, 400, 500)[seed % 3]
            taken = run(*peptide(sequence, 1.5, seed), temperature, options.frames, seed, f"box {sequence}")
            for frame in taken:
                frame.info |= {"part": "test" if sequence in HELD_OUT else "train", "kind": "peptide-box"}
            frames += taken
            print(f"{sequence}: {len(taken[0])} atoms, {taken[0].symbols.count('Cl')} chloride", flush=True)
    if any("Na" in frame.symbols for frame in frames):
        raise ValueError("a peptide is negative; the teacher knows no positive ion")
    ase.io.write(options.out, frames)
    print(f"{len(frames)} boxes, {sum(map(len, frames))} atoms in {options.out}")


if __name__ == "__main__":
    main()
