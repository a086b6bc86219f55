"""Divide labelled frames into files for training, validation and test by their molecules, the same each time.

    python examples/train_bio/divide.py PREFIX labelled.extxyz...

PREFIX_train.extxyz, PREFIX_validation.extxyz and PREFIX_test.extxyz are written. All frames of a molecule are in one of them, in
later rounds too. Frames with a force above 30 eV/A are left out.

Of ions beside other molecules only the forces are learned: the teacher gets the total charge as a whole, so that its energies and
dipoles of such frames are not those of the parts (teacher_charges.py).
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np
from frames import part_of

LARGEST_FORCE = 30.0  # eV/A


def comparable(frame: ase.Atoms) -> bool:
    """Whether the teacher's energy can be compared with that of other frames."""
    charged = frame.arrays["molecule_charges"] != 0
    return not charged.any() or frame.arrays["molecules"].max() == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix")
    parser.add_argument("labelled", nargs="+")
    options = parser.parse_args()
    parts: dict[str, list[ase.Atoms]] = {"train": [], "validation": [], "test": []}
    dropped = constant = 0
    for path in options.labelled:
        for frame in ase.io.iread(path, ":"):
            if np.linalg.norm(frame.get_forces(), axis=1).max() > LARGEST_FORCE:
                dropped += 1
                continue
            if not comparable(frame):
                frame.info["energy_weight"] = 0.0
                frame.calc.results.pop("dipole", None)  # where ASE's reader puts it
                constant += 1
            parts[frame.info.get("part") or part_of(str(frame.info["source"]))].append(frame)
    for name, frames in parts.items():
        ase.io.write(f"{options.prefix}_{name}.extxyz", frames)
        print(f"{name}: {len(frames)} frames, {sum(map(len, frames))} atoms")
    print(f"{constant} frames have ions beside other molecules, and energies up to a constant")
    print(f"{dropped} frames with forces above {LARGEST_FORCE:g} eV/A are left out")


if __name__ == "__main__":
    main()
