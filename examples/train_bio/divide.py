"""Divide labelled frames into files for training, validation and test by their molecules, the same each time.

    python examples/train_bio/divide.py PREFIX labelled.extxyz...

PREFIX_train.extxyz, PREFIX_validation.extxyz and PREFIX_test.extxyz are written. All frames of a molecule are in one of them, in
later rounds too. Frames with a force above 30 eV/A are left out.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
from frames import part_of

LARGEST_FORCE = 30.0  # eV/A


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix")
    parser.add_argument("labelled", nargs="+")
    options = parser.parse_args()
    parts: dict[str, list[ase.Atoms]] = {"train": [], "validation": [], "test": []}
    dropped = 0
    for path in options.labelled:
        for frame in ase.io.iread(path, ":"):
            if np.linalg.norm(frame.get_forces(), axis=1).max() > LARGEST_FORCE:
                dropped += 1
                continue
            parts[frame.info.get("part") or part_of(str(frame.info["source"]))].append(frame)
    for name, frames in parts.items():
        ase.io.write(f"{options.prefix}_{name}.extxyz", frames)
        print(f"{name}: {len(frames)} frames, {sum(map(len, frames))} atoms")
    print(f"{dropped} frames with forces above {LARGEST_FORCE:g} eV/A are left out")


if __name__ == "__main__":
    main()
