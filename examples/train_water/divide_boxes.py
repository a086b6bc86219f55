"""Divide labelled boxes by the run that they come from, so that no frame of a test run is learned: boxes_train.extxyz and
boxes_test.extxyz.

    python examples/train_water/divide_boxes.py boxes_dft.extxyz
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase
import ase.io

TEST = {(0.95, 330), (1.00, 300), (1.05, 370)}  # g/cm^3 and K


def part_of(frame: ase.Atoms) -> str:
    run = (float(frame.info["density"]), int(frame.info["temperature"]))
    return "test" if run in TEST else "train"


def main(path: str) -> None:
    parts: dict[str, list[ase.Atoms]] = {"train": [], "test": []}
    for frame in ase.io.read(path, ":"):
        parts[part_of(frame)].append(frame)
    for name, frames in parts.items():
        ase.io.write(f"{Path(path).stem.removesuffix('_dft')}_{name}.extxyz", frames)
        print(f"{name}: {len(frames)} frames")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
