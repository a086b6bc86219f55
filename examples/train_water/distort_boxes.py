"""Boxes of water in which a few molecules are far from their shape, or from their place, to be labelled.

    python examples/train_water/distort_boxes.py boxes32.extxyz distorted.extxyz --frames 150
    python examples/train_water/distort_boxes.py boxes32.extxyz folded.extxyz --frames 80 --folded --seed 2

Dynamics at 280 to 420 K never folds a molecule or puts one onto another, and so never teaches that both are uphill: the first models
of the second round had holes there, into which a minimizer's long step could fall. In each frame one to three molecules get bonds of
0.8 to 1.4 A and an angle of 20 to 175 degrees, or are moved towards a neighbour, or all atoms are displaced at random. With
--folded they get bonds of 0.7 to 1.2 A and an angle of 15 to 45 degrees: two hydrogen atoms almost on one place.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np

BONDS = (0.8, 1.4)  # A
ANGLES = (20.0, 175.0)  # degrees
FOLDED_BONDS = (0.7, 1.2)  # A
FOLDED_ANGLES = (15.0, 45.0)  # degrees
CLOSEST = (1.9, 2.6)  # A, between two oxygen atoms
DISPLACEMENT = (0.02, 0.08)  # A, standard deviation


def fold(
    atoms: ase.Atoms,
    oxygen: int,
    rng: np.random.Generator,
    bonds: tuple[float, float] = BONDS,
    angles: tuple[float, float] = ANGLES,
) -> None:
    """Give a molecule, whose atoms are O, H, H, other bonds and another angle in its plane."""
    first, second = (atoms.positions[oxygen + k] - atoms.positions[oxygen] for k in (1, 2))
    x = first / np.linalg.norm(first)
    y = second - (second @ x) * x
    y /= np.linalg.norm(y)
    angle = np.radians(rng.uniform(*angles))
    atoms.positions[oxygen + 1] = atoms.positions[oxygen] + rng.uniform(*bonds) * x
    atoms.positions[oxygen + 2] = atoms.positions[oxygen] + rng.uniform(*bonds) * (
        np.cos(angle) * x + np.sin(angle) * y
    )


def push(atoms: ase.Atoms, oxygen: int, rng: np.random.Generator) -> None:
    """Move a molecule towards a neighbour."""
    others = [i for i in range(0, len(atoms), 3) if i != oxygen]
    vectors = atoms.get_distances(oxygen, others, mic=True, vector=True)
    near = np.argsort(np.linalg.norm(vectors, axis=1))[rng.integers(4)]
    distance = np.linalg.norm(vectors[near])
    atoms.positions[oxygen : oxygen + 3] += vectors[near] * max(0.0, 1 - rng.uniform(*CLOSEST) / distance)


def distorted(atoms: ase.Atoms, rng: np.random.Generator) -> ase.Atoms:
    """A distorted copy of a box."""
    frame = ase.Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
    kind = rng.choice(["fold", "push", "shake"], p=[0.5, 0.25, 0.25])
    if kind == "shake":
        frame.positions += rng.normal(scale=rng.uniform(*DISPLACEMENT), size=frame.positions.shape)
    else:
        for oxygen in 3 * rng.permutation(len(frame) // 3)[: rng.integers(1, 4)]:
            {"fold": fold, "push": push}[kind](frame, int(oxygen), rng)
    frame.info["kind"] = str(kind)
    return frame


def folded(atoms: ase.Atoms, rng: np.random.Generator) -> ase.Atoms:
    """A copy of a box in which one to three molecules are folded up."""
    frame = ase.Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True, info={"kind": "folded"})
    for oxygen in 3 * rng.permutation(len(frame) // 3)[: rng.integers(1, 4)]:
        fold(frame, int(oxygen), rng, FOLDED_BONDS, FOLDED_ANGLES)
    return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boxes", help="molecules one after another, each O, H, H")
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--weight", type=float, default=0.1, help="of these frames in the loss (default 0.1)")
    parser.add_argument("--folded", action="store_true", help="only molecules folded up")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    boxes = ase.io.read(options.boxes, ":")
    change = folded if options.folded else distorted
    frames = [change(boxes[i], rng) for i in rng.permutation(len(boxes))[: options.frames]]
    for frame in frames:
        frame.info["weight"] = options.weight
    ase.io.write(options.out, frames)


if __name__ == "__main__":
    main()
