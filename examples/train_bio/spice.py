"""Geometries of the SPICE data set (CC0, github.com/openmm/spice-dataset) as frames without labels.

    python examples/train_bio/spice.py FOLDER spice.extxyz

FOLDER holds its files of geometries: des-monomers.hdf5, amino-acid-ligand-test.hdf5, solvated-amino-acids.hdf5, water.hdf5 and
water60.hdf5. Molecules of other elements than the teacher's are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ase
import ase.io
import h5py
import numpy as np
from frames import chosen, disturbed, frame_of, molecule_of
from rdkit import Chem

# Frames taken of each molecule.
SETS = {
    "des-monomers": 10,
    "amino-acid-ligand-test": 10,
    "solvated-amino-acids": 20,
    "water": 250,
    "water60": 50,
}
BLOCK = 50
"""Conformations of water that follow each other, which are held out together."""
LONGEST = 1.25
"""Of a bond over the sum of its atoms' covalent radii."""


def source_of(name: str, key: str, molecule: Chem.Mol, conformation: int) -> str:
    """What is held out together: a molecule without its stereochemistry, a ligand whatever its partner, a block of water."""
    if name.startswith("water"):
        return f"{name}-{conformation // BLOCK}"
    if name == "solvated-amino-acids":
        return f"solvated {key}"
    if name == "amino-acid-ligand-test":
        return f"ligand {key.split()[0]}"
    plain = Chem.Mol(molecule)
    for atom in plain.GetAtoms():
        atom.SetAtomMapNum(0)
    return Chem.MolToSmiles(plain, isomericSmiles=False)


def read(path: Path, count: int, rng: np.random.Generator) -> list[ase.Atoms]:
    """Frames of one file of geometries."""
    frames = []
    with h5py.File(path) as file:
        for key in file:
            molecule = molecule_of(file[key]["smiles"][0].decode())
            if molecule is None:
                continue
            conformations = 10 * file[key]["conformations"][()]  # nm to A
            conformations = conformations[whole(molecule, conformations)]
            for n in np.sort(rng.choice(len(conformations), min(count, len(conformations)), replace=False)):
                source = source_of(path.stem, key, molecule, n)
                frame = disturbed(frame_of(molecule, conformations[n], path.stem, source), rng)
                if path.stem == "water" and rng.random() < 0.5:  # small clusters: the nearest to one of them
                    frame = nearest(frame, int(rng.integers(1, 13)), rng)
                frames.append(frame)
    return frames


def whole(molecule: Chem.Mol, conformations: np.ndarray) -> np.ndarray:
    """Which conformations have no broken bond, as some of the pairs of amino acids and ligands have."""
    table = Chem.GetPeriodicTable()
    bonds = [(bond.GetBeginAtom(), bond.GetEndAtom()) for bond in molecule.GetBonds()]
    if not bonds:
        return np.ones(len(conformations), bool)
    radii = np.array([[table.GetRcovalent(atom.GetAtomicNum()) for atom in bond] for bond in bonds]).sum(1)
    first, second = np.array([[atom.GetIdx() for atom in bond] for bond in bonds]).T
    lengths = np.linalg.norm(conformations[:, first] - conformations[:, second], axis=2)
    return (lengths < LONGEST * radii).all(1)


def nearest(frame: ase.Atoms, count: int, rng: np.random.Generator) -> ase.Atoms:
    """The molecules closest to one of them, this one included."""
    number = frame.arrays["molecules"]
    centres = np.array([frame.positions[number == m].mean(0) for m in range(number.max() + 1)])
    distances = np.linalg.norm(centres - centres[rng.integers(len(centres))], axis=1)
    return chosen(frame, np.argsort(distances)[:count].tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1, help="another one takes other conformations")
    options = parser.parse_args()
    rng, frames = np.random.default_rng(options.seed), []
    for name, count in SETS.items():
        taken = read(options.folder / f"{name}.hdf5", count, rng)
        print(f"{name}: {len(taken)} frames, {sum(map(len, taken))} atoms")
        frames += taken
    ase.io.write(options.out, frames)


if __name__ == "__main__":
    main()
