"""Frames for the training of polarmp-bio: what they carry, displacements, and which of them are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import ase
import numpy as np

if TYPE_CHECKING:
    from rdkit import Chem

TEACHER = frozenset({"H", "C", "N", "O", "F", "P", "S", "Cl"})
TEST, VALIDATION = 8, 4
"""Percent of the molecules."""


def molecule_of(smiles: str) -> Chem.Mol | None:
    """Molecules of a SMILES with the number of every atom in its map; None if the teacher does not know an element."""
    from rdkit import Chem

    parser = Chem.SmilesParserParams()
    parser.removeHs, parser.sanitize = False, False
    molecule = Chem.MolFromSmiles(smiles, parser)
    order = np.argsort([atom.GetAtomMapNum() for atom in molecule.GetAtoms()])
    molecule = Chem.RenumberAtoms(molecule, order.tolist())
    return molecule if {atom.GetSymbol() for atom in molecule.GetAtoms()} <= TEACHER else None


def frame_of(molecule: Chem.Mol, positions: np.ndarray, kind: str, source: str) -> ase.Atoms:
    """A frame with the connected molecule of every atom and the molecules' charges.

    Parameters
    ----------
    molecule : rdkit.Chem.Mol
        All atoms in their order, with formal charges.
    positions : array [N, 3]
        A.
    kind : str
        Part of the data set, for separate errors.
    source : str
        Name of the molecule, which decides whether the frame is held out.
    """
    from rdkit import Chem

    members = np.empty(molecule.GetNumAtoms(), int)
    fragments = Chem.GetMolFrags(molecule)
    for number, atoms in enumerate(fragments):
        members[list(atoms)] = number
    formal = np.array([atom.GetFormalCharge() for atom in molecule.GetAtoms()], float)
    charges = np.bincount(members, formal, len(fragments))
    frame = ase.Atoms([atom.GetAtomicNum() for atom in molecule.GetAtoms()], positions)
    return annotated(frame, members, charges, kind, source)


def annotated(
    frame: ase.Atoms, members: Sequence[int] | np.ndarray, charges: Sequence[float] | np.ndarray, kind: str, source: str
) -> ase.Atoms:
    """The frame with the molecule of every atom, the charges (e) of the molecules, its kind and its source."""
    charges = np.asarray(charges, float)
    frame.arrays["molecules"] = np.asarray(members, int)
    frame.arrays["molecule_charges"] = charges[frame.arrays["molecules"]]
    frame.info = {"total_charge": float(charges.sum()), "kind": kind, "source": source}
    return frame


def joined(parts: Sequence[ase.Atoms], kind: str, source: str) -> ase.Atoms:
    """Several clusters as one."""
    members, charges = [], []
    for part in parts:
        number = part.arrays["molecules"]
        members += (number + len(charges)).tolist()
        charges += [float(part.arrays["molecule_charges"][number == m][0]) for m in range(number.max() + 1)]
    frame = ase.Atoms(
        np.concatenate([part.numbers for part in parts]), np.concatenate([part.positions for part in parts])
    )
    return annotated(frame, members, charges, kind, source)


def chosen(frame: ase.Atoms, molecules: Sequence[int]) -> ase.Atoms:
    """Some of the molecules of a cluster."""
    number = frame.arrays["molecules"]
    parts = [frame[number == m] for m in molecules]
    for part in parts:
        part.arrays["molecules"] = np.zeros(len(part), int)
    return joined(parts, frame.info["kind"], frame.info["source"])


def disturbed(frame: ase.Atoms, rng: np.random.Generator) -> ase.Atoms:
    """A copy whose molecules are moved by up to some tenths of an A, and whose atoms are displaced at random.

    Half of the copies keep the shapes of their molecules; the displacements of the others are up to 0.04 A (rms of a component),
    those of hydrogen atoms somewhat larger.
    """
    copy = frame.copy()
    size = 0.0 if rng.random() < 0.5 else rng.uniform(0.0, 0.04)
    scale = np.where(copy.numbers == 1, 1.3, 0.8)[:, None]
    copy.positions += size * scale * rng.normal(size=(len(copy), 3))
    number = copy.arrays["molecules"]
    if number.max() > 0:
        stretch = rng.normal(0, 0.02)  # of the distances between molecules
        for m in range(number.max() + 1):
            atoms = number == m
            centre = copy.positions[atoms].mean(0)
            copy.positions[atoms] += stretch * centre + rng.normal(0, 0.04, 3)
    return copy


def part_of(source: str) -> str:
    """Whether the frames of a source are for training, validation or test; always the same."""
    percent = int(hashlib.sha256(source.encode()).hexdigest(), 16) % 100
    return "test" if percent < TEST else "validation" if percent < TEST + VALIDATION else "train"


def closest(a: ase.Atoms, b: ase.Atoms, radii: np.ndarray) -> float:
    """Smallest distance between atoms of two clusters over the sum of their radii."""
    distances = np.linalg.norm(a.positions[:, None] - b.positions[None], axis=2)
    return float((distances / (radii[a.numbers][:, None] + radii[b.numbers][None])).min())
