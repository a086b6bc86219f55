"""Hydrated ions that the teacher does not know: Na+, K+, Mg2+, Ca2+, Br-, I-, alone and in pairs, and their labels.

    python examples/train_bio/ions.py build ions
    polarmp label ions_whole.extxyz ions_whole_dft.extxyz --method pyscf:pbe0-d4/def2-tzvp
    polarmp label ions_rest.extxyz ions_rest_dft.extxyz --method pyscf:pbe0-d4/def2-tzvp
    polarmp label ions_rest.extxyz ions_rest_so3lr.extxyz --method so3lr
    python examples/train_bio/ions.py join ions ions_labelled.extxyz

and of chloride, whose labels are the teacher's alone: `ions.py chloride chloride.extxyz --frames 110`.

Clusters are cut from force-field dynamics. ``rest`` is each cluster without the ions that the teacher does not know. What such an ion adds
is the difference of two DFT calculations; everything else keeps the teacher's label: E = E_teacher(rest) + E_DFT(whole) - E_DFT(rest).
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
import openmm
from ase.calculators.singlepoint import SinglePointCalculator
from frames import TEACHER, annotated
from openmm import app, unit

from openmm_polarmp.training import labels

CPU = openmm.Platform.getPlatformByName("CPU")
IONS = {"NA": 1, "K": 1, "MG": 2, "CA": 2, "BR": -1, "IOD": -1, "CL": -1}
"""Charge in e, by Amber's name of the residue."""
PAIRS = [(cation, anion) for cation in ("NA", "K", "MG", "CA") for anion in ("CL", "BR", "IOD")]
SIZE = 1.5  # nm, of the box


def box(names: tuple[str, ...], rng: np.random.Generator) -> tuple[app.Topology, openmm.System, np.ndarray]:
    """A box of flexible water in which these ions replace molecules; nm."""
    field = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(field, boxSize=openmm.Vec3(SIZE, SIZE, SIZE) * unit.nanometer)
    r = np.array(modeller.positions.value_in_unit(unit.nanometer))
    replaced = rng.choice(len(r) // 3, len(names), replace=False)
    topology = app.Topology()
    topology.setPeriodicBoxVectors(np.eye(3) * SIZE * unit.nanometer)
    chain, positions = topology.addChain(), []
    for name, molecule in zip(names, replaced, strict=True):
        symbol = {"IOD": "I"}.get(name, name.capitalize())
        topology.addAtom(name, app.Element.getBySymbol(symbol), topology.addResidue(name, chain))
        positions.append(r[3 * molecule])
    for molecule in set(range(len(r) // 3)) - set(replaced.tolist()):
        residue = topology.addResidue("HOH", chain)
        for atom, symbol in (("O", "O"), ("H1", "H"), ("H2", "H")):
            topology.addAtom(atom, app.Element.getBySymbol(symbol), residue)
        positions += list(r[3 * molecule : 3 * molecule + 3])
    topology.createStandardBonds()
    system = field.createSystem(
        topology, nonbondedMethod=app.PME, nonbondedCutoff=0.6 * unit.nanometer, rigidWater=False
    )
    return topology, system, np.array(positions)


def clusters(
    names: tuple[str, ...], count: int, seed: int, temperature: float = 400.0, most: int = 4
) -> list[ase.Atoms]:
    """Ions with their nearest waters, up to this number, along a simulation at a temperature in K."""
    rng = np.random.default_rng(seed)
    topology, system, positions = box(names, rng)
    if len(names) == 2:  # keeps the pair together
        bond = openmm.CustomBondForce("0.5*1000*max(0, r-0.45)^2")
        bond.setUsesPeriodicBoundaryConditions(True)
        bond.addBond(0, 1)
        system.addForce(bond)
    integrator = openmm.LangevinMiddleIntegrator(temperature, 5, 0.0005)
    integrator.setRandomNumberSeed(seed)
    simulation = app.Simulation(topology, system, integrator, CPU)
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy(maxIterations=200)
    simulation.context.setVelocitiesToTemperature(temperature, seed)
    simulation.step(2000)
    frames = []
    for _ in range(count):
        simulation.step(400)
        state = simulation.context.getState(positions=True)
        r = 10 * state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        r = r - 10 * SIZE * np.round((r - r[0]) / (10 * SIZE))  # nearest images of the first ion
        ions, oxygens = list(range(len(names))), np.arange(len(names), len(r), 3)
        distance = np.linalg.norm(r[oxygens][:, None] - r[ions][None], axis=2).min(1)
        chosen = oxygens[np.argsort(distance)[: int(rng.integers(1, most + 1))]]
        r[oxygens + 1] += 10 * SIZE * np.round((r[oxygens] - r[oxygens + 1]) / (10 * SIZE))
        r[oxygens + 2] += 10 * SIZE * np.round((r[oxygens] - r[oxygens + 2]) / (10 * SIZE))
        atoms = ions + [o + k for o in chosen for k in range(3)]
        symbols = [atom.element.symbol for atom in topology.atoms()]
        members = ions + [len(ions) + k for k in range(len(chosen)) for _ in range(3)]
        charges = [IONS[name] for name in names] + [0] * len(chosen)
        frame = ase.Atoms([symbols[a] for a in atoms], r[atoms])
        frames.append(annotated(frame, members, charges, "hydrated-ion", "ion " + " ".join(names)))
    return frames


def rest_of(frame: ase.Atoms) -> ase.Atoms:
    """The cluster without the ions that the teacher does not know."""
    known = np.array([symbol in TEACHER for symbol in frame.symbols])
    rest = frame[known]
    rest.info["total_charge"] = frame.info["total_charge"] - frame.arrays["molecule_charges"][~known].sum()
    return rest


def build(prefix: str, count: int) -> None:
    """Write the clusters, and what is left of them without the ions."""
    systems = [(name,) for name in IONS if name != "CL"] + PAIRS
    frames = [frame for seed, names in enumerate(systems, 1) for frame in clusters(names, count, seed)]
    for number, frame in enumerate(frames):  # the last of each run are as far as they come
        left = count - 1 - number % count
        frame.info["part"] = "test" if left < 2 else "validation" if left == 2 else "train"
    ase.io.write(f"{prefix}_whole.extxyz", frames)
    ase.io.write(f"{prefix}_rest.extxyz", [rest_of(frame) for frame in frames])
    print(f"{len(frames)} clusters of {min(map(len, frames))} to {max(map(len, frames))} atoms")


def chloride(out: str, count: int) -> None:
    """Write clusters of chloride, which the teacher knows, with up to 24 waters, cold and hot."""
    runs = [
        clusters(("CL",), count, seed, temperature, 24) for seed, temperature in enumerate((280, 350, 450, 600), 21)
    ]
    for frames in runs:
        for number, frame in enumerate(frames):
            frame.info["part"] = "test" if number >= 0.92 * count else "train"
    ase.io.write(out, [frame for frames in runs for frame in frames])
    print(f"{len(runs) * count} clusters")


def join(prefix: str, out: str) -> None:
    """Write the clusters with labels."""
    whole, rest, teacher = (
        {frame.info["frame"]: frame for frame in ase.io.iread(f"{prefix}_{name}.extxyz", ":")}
        for name in ("whole_dft", "rest_dft", "rest_so3lr")
    )
    frames = []
    for number in sorted(whole.keys() & rest.keys() & teacher.keys()):
        dft, known = whole[number], np.array([symbol in TEACHER for symbol in whole[number].symbols])
        difference = teacher[number].get_potential_energy() - rest[number].get_potential_energy()
        forces = dft.get_forces()
        forces[known] += teacher[number].get_forces() - rest[number].get_forces()
        frame = ase.Atoms(dft.numbers, dft.positions, info=dict(dft.info))
        dipoles = [labels(frames[number])["dipole"] for frames in (whole, teacher, rest)]
        frame.info["dipole"] = dipoles[0] + dipoles[1] - dipoles[2]
        frame.info["method"] += f" - {rest[number].info['method']} (without ions) + {teacher[number].info['method']}"
        for name in ("molecules", "molecule_charges"):
            frame.arrays[name] = dft.arrays[name]
        frame.calc = SinglePointCalculator(frame, energy=dft.get_potential_energy() + difference, forces=forces)
        frames.append(frame)
    ase.io.write(out, frames)
    print(f"{len(frames)} of {len(whole)} clusters are in {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["build", "join", "chloride"])
    parser.add_argument("prefix", help="of the files; with chloride the file to write")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--frames", type=int, default=18, help="of each ion, pair or temperature (default 18)")
    options = parser.parse_args()
    if options.what == "build":
        build(options.prefix, options.frames)
    elif options.what == "chloride":
        chloride(options.prefix, options.frames)
    elif options.out is None:
        parser.error("join needs the file to write")
    else:
        join(options.prefix, options.out)


if __name__ == "__main__":
    main()
