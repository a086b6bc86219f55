"""Conductors and insulators with exact labels: `python make_frames.py metal FOLDER`, `python make_frames.py oxide FOLDER`.

metal: a slab of 3 x 3 x 2 atoms, and above it a layer of 2 x 2 x 2 ions of which none, one cation or one anion is missing.
The whole has the net charge -1, 0 or +1 e, and the metal takes up what the ions leave. The distances between slab and layer
are up to 9 A in train.extxyz and test.extxyz, and larger in far.extxyz.

oxide: a periodic crystal of 64 ions in which one anion is missing, with the net charge 0, 1 or 2 e.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from reference import METAL, solve

METAL_DISTANCE, ION_DISTANCE, OXIDE = 2.9, 2.8, 4.2  # A: neighbours in slab and layer, cubic cell of the crystal
NOISE = 0.07  # A
NEAR, FAR = (3.2, 9.0), (9.0, 15.0)  # A between the slab and the layer


def metal(rng: np.random.Generator, gap: float, missing: str | None = None) -> ase.Atoms:
    """Slab and layer ``gap`` apart (A), without one ion of the element ``missing``; every atom off its place."""
    slab = METAL_DISTANCE * np.array([(x, y, -z) for z in range(2) for y in range(3) for x in range(3)], float)
    layer = ION_DISTANCE * np.array([(x, y, z) for z in range(2) for y in range(2) for x in range(2)], float)
    shift = rng.uniform(0, METAL_DISTANCE, 2)
    layer += [*shift, gap]
    ions = ["Na", "Cl", "Cl", "Na", "Cl", "Na", "Na", "Cl"]
    positions = np.concatenate([slab, layer])
    atoms = ase.Atoms([METAL] * len(slab) + ions, positions + NOISE * rng.normal(size=positions.shape))
    if missing is not None:
        del atoms[int(rng.choice([i for i, symbol in enumerate(atoms.symbols) if symbol == missing]))]
    return atoms


def oxide(rng: np.random.Generator) -> ase.Atoms:
    """A crystal with one anion missing, every ion off its place."""
    atoms = bulk("MgO", "rocksalt", a=OXIDE, cubic=True) * (2, 2, 2)
    del atoms[next(i for i, symbol in enumerate(atoms.symbols) if symbol == "O")]
    atoms.positions += NOISE * rng.normal(size=atoms.positions.shape)
    return atoms


def labelled(atoms: ase.Atoms, total_charge: int) -> ase.Atoms:
    """The frame with the energy, forces and charges of the reference."""
    answer = solve(atoms, total_charge)
    atoms.calc = SinglePointCalculator(atoms, energy=answer.energy, forces=answer.forces)
    atoms.info["total_charge"] = float(total_charge)
    atoms.arrays["reference_charges"] = answer.charges
    return atoms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("metal", "oxide"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=600, help="to learn from")
    parser.add_argument("--tests", type=int, default=60, help="in each test file")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    files = {"train": (options.frames, NEAR), "test": (options.tests, NEAR), "far": (options.tests, FAR)}
    if options.kind == "oxide":
        del files["far"]
    for name, (count, (low, high)) in files.items():
        frames = []
        for k in range(count):
            if options.kind == "metal":
                missing = (None, "Na", "Cl")[k // 3 % 3]
                frames.append(labelled(metal(rng, rng.uniform(low, high), missing), k % 3 - 1))
            else:
                frames.append(labelled(oxide(rng), k % 3))
        ase.io.write(options.folder / f"{name}.extxyz", frames)
        print(f"{name}.extxyz: {count} frames of {len(frames[0])} atoms")


if __name__ == "__main__":
    main()
