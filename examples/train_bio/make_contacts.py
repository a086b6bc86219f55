"""Pairs of molecules and ions too close to each other: where a learned energy has holes unless it has seen the wall.

    python examples/train_bio/make_contacts.py structures.extxyz contacts.extxyz --frames 400

Water, ions and the capped amino acids of the first round, two at a time, turned at random and moved together until the closest atoms of
the two are at 45 to 80 % of the sum of their van der Waals radii. Dynamics hardly ever goes there, and must not learn that it could.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
from ase.build import molecule
from ase.data import vdw_radii

CLOSEST, FARTHEST = 0.45, 0.80  # of the radii's sum


def pool(path: str) -> list[ase.Atoms]:
    """Single molecules: water and ions (each three times as likely), and peptides out of the given clusters."""
    small = [molecule("H2O"), ase.Atoms("Na"), ase.Atoms("Cl")]
    for atoms, charge in zip(small, (0.0, 1.0, -1.0), strict=True):
        atoms.info["total_charge"] = charge
    peptides = [a for a in ase.io.read(path, ":") if a.info.get("kind") == "peptide" and "C" in a.symbols]
    peptides = [a for a in peptides if not a.pbc.any() and set(a.symbols) <= set("HCNO") and len(a) <= 27]
    for atoms in peptides:
        atoms.info["total_charge"] = 0.0
    return 3 * small + peptides[:12]


def together(a: ase.Atoms, b: ase.Atoms, target: float, rng: np.random.Generator) -> ase.Atoms:
    """Two molecules whose closest contact is at ``target`` of the radii's sum."""
    a, b = a.copy(), b.copy()
    for atoms in (a, b):
        atoms.positions -= atoms.positions[rng.integers(len(atoms))]
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        atoms.positions = atoms.positions @ turn
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    sums = vdw_radii[a.numbers][:, None] + vdw_radii[b.numbers][None]
    distance = 15.0
    while distance > 0:
        apart = np.linalg.norm(a.positions[:, None] - (b.positions + distance * direction)[None], axis=2)
        if (apart / sums).min() < target:
            break
        distance -= 0.02
    b.positions += distance * direction
    pair = ase.Atoms([*a.symbols, *b.symbols], np.concatenate([a.positions, b.positions]))
    pair.info = {"total_charge": a.info["total_charge"] + b.info["total_charge"], "kind": "contact"}
    return pair


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", help="of make_structures.py")
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=400)
    options = parser.parse_args()
    rng, members = np.random.default_rng(5), pool(options.structures)
    frames = []
    for _ in range(options.frames):
        first, second = (members[i] for i in rng.integers(len(members), size=2))
        frames.append(together(first, second, rng.uniform(CLOSEST, FARTHEST), rng))
    ase.io.write(options.out, frames)
    print(f"{len(frames)} contacts of {min(map(len, frames))} to {max(map(len, frames))} atoms in {options.out}")


if __name__ == "__main__":
    main()
