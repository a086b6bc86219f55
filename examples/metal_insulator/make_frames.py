"""A metal slab beside a polar layer, with exact labels: `python make_frames.py FOLDER`.

The slab has 3 x 3 x 2 atoms and the net charge -1, 0 or +1 e. A layer of four cations and one of four anions lie above it,
at random distances, one or the other towards the metal. The distances are up to 9 A in train.extxyz and test.extxyz, and
larger in far.extxyz.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from reference import METAL, solve

METAL_DISTANCE, ION_DISTANCE = 2.9, 2.8  # A
NOISE = 0.1  # A
NEAR, FAR = (2.8, 9.0), (9.0, 15.0)  # A between the slab and the layer


def cluster(rng: np.random.Generator, gap: float) -> ase.Atoms:
    """Slab and polar layer ``gap`` apart (A), every atom off its place."""
    slab = METAL_DISTANCE * np.array([(x, y, -z) for z in range(2) for y in range(3) for x in range(3)], float)
    layer = ION_DISTANCE * np.array([(x, y, z) for z in range(2) for y in range(2) for x in range(2)], float)
    shift = rng.uniform(0, METAL_DISTANCE, 2)
    layer += [*shift, gap]
    ions = ["Na"] * 4 + ["Cl"] * 4 if rng.random() < 0.5 else ["Cl"] * 4 + ["Na"] * 4
    positions = np.concatenate([slab, layer])
    return ase.Atoms([METAL] * len(slab) + ions, positions + NOISE * rng.normal(size=positions.shape))


def labelled(rng: np.random.Generator, gap: float, total_charge: int) -> ase.Atoms:
    """A frame with the energy, forces, charges, dipole and Born charges of the reference."""
    frame = cluster(rng, gap)
    answer = solve(frame, total_charge)
    frame.calc = SinglePointCalculator(frame, energy=answer.energy, forces=answer.forces)
    frame.info |= {"total_charge": float(total_charge), "dipole": answer.dipole, "gap": gap}
    frame.arrays["born_charges"] = answer.born_charges.reshape(-1, 9)
    frame.arrays["reference_charges"] = answer.charges
    return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=300, help="to learn from")
    parser.add_argument("--tests", type=int, default=60, help="in each of the two test files")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    for name, count, (low, high) in (
        ("train", options.frames, NEAR),
        ("test", options.tests, NEAR),
        ("far", options.tests, FAR),
    ):
        frames = [labelled(rng, rng.uniform(low, high), k % 3 - 1) for k in range(count)]
        ase.io.write(options.folder / f"{name}.extxyz", frames)
        print(f"{name}.extxyz: {count} frames of {len(frames[0])} atoms")


if __name__ == "__main__":
    main()
