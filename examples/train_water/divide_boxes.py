"""Divide labelled boxes into files NAME_train.extxyz, NAME_test.extxyz and, at random, NAME_validation.extxyz.

    python examples/train_water/divide_boxes.py boxes boxes_dft.extxyz
    python examples/train_water/divide_boxes.py so3lr boxes32_so3lr.extxyz boxes64_so3lr.extxyz --random

By default all frames of a run at one density and temperature are either learned or tested; there is no validation. With --random 50
frames are for validation and 50 for the test.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np

TEST = {(0.95, 330), (1.00, 300), (1.05, 370)}  # g/cm^3 and K
HELD_OUT = 50  # frames


def by_run(frames: list[ase.Atoms]) -> dict[str, list[ase.Atoms]]:
    """Runs of the set `TEST` are tested."""
    parts: dict[str, list[ase.Atoms]] = {"train": [], "test": []}
    for frame in frames:
        run = (float(frame.info["density"]), int(frame.info["temperature"]))
        parts["test" if run in TEST else "train"].append(frame)
    return parts


def at_random(frames: list[ase.Atoms]) -> dict[str, list[ase.Atoms]]:
    """Frames of every run in every part."""
    mixed = [frames[i] for i in np.random.default_rng(1).permutation(len(frames))]
    return {
        "train": mixed[: -2 * HELD_OUT],
        "validation": mixed[-2 * HELD_OUT : -HELD_OUT],
        "test": mixed[-HELD_OUT:],
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--random", action="store_true")
    options = parser.parse_args(arguments)
    frames = [frame for path in options.files for frame in ase.io.read(path, ":")]
    for part, chosen in (at_random if options.random else by_run)(frames).items():
        ase.io.write(f"{options.name}_{part}.extxyz", chosen)
        print(f"{part}: {len(chosen)} frames")


if __name__ == "__main__":
    main()
