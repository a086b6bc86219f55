"""Divide labelled frames into files for training, validation and test, the same each time.

    python examples/train_bio/divide.py labelled.extxyz round1 --validation 50 --test 60

A second round of training must not learn what the first kept for its test, so the files stay as they are.
"""

from __future__ import annotations

import argparse

import ase.io
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames")
    parser.add_argument(
        "prefix", help="PREFIX_train.extxyz, PREFIX_validation.extxyz and PREFIX_test.extxyz are written"
    )
    parser.add_argument("--validation", type=int, required=True)
    parser.add_argument("--test", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    frames = ase.io.read(options.frames, ":")
    order = np.random.default_rng(options.seed).permutation(len(frames))  # as `polarmp train` divides with this seed
    held_out = options.validation + options.test
    parts = {
        "train": order[: len(order) - held_out],
        "validation": order[len(order) - held_out : len(order) - options.test],
        "test": order[len(order) - options.test :],
    }
    for name, members in parts.items():
        ase.io.write(f"{options.prefix}_{name}.extxyz", [frames[i] for i in members])
        print(f"{len(members)} frames in {options.prefix}_{name}.extxyz")


if __name__ == "__main__":
    main()
