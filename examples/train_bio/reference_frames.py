"""Held-out frames for labels of a level that the teacher never made: some of each kind, small ones.

    python examples/train_bio/reference_frames.py data/bio_test.extxyz reference.extxyz
    polarmp label reference.extxyz reference_dft.extxyz --method pyscf:pbe0-d4/def2-tzvp --response

`polarmp label --method MODEL.polarmp`, so3lr and gfn2 label the same frames, and compare_labels.py compares them.
"""

from __future__ import annotations

import argparse

import ase.io
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test")
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--largest", type=int, default=22, help="number of atoms (default 22)")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    kinds: dict[str, list[ase.Atoms]] = {}
    for frame in ase.io.iread(options.test, ":"):
        if len(frame) <= options.largest and len(frame) > 2 and not frame.pbc.any():
            kinds.setdefault(frame.info["kind"], []).append(frame)
    for frames in kinds.values():
        rng.shuffle(frames)
    chosen: list[ase.Atoms] = []
    while len(chosen) < options.frames and any(kinds.values()):  # one of each kind in turn
        for frames in kinds.values():
            if frames and len(chosen) < options.frames:
                chosen.append(frames.pop())
    ase.io.write(options.out, chosen)
    print(f"{len(chosen)} frames, {sum(map(len, chosen))} atoms in {options.out}")


if __name__ == "__main__":
    main()
