"""Joins the files of polar_dimers and adds the charge of each pair: `python examples/ladder/prepare_dimers.py FOLDER`.

The charges are not in the files but chemistry tells them: C3N3H10 is a guanidinium (+1), C2O2H3 acetate (-1), and the
other molecules are neutral.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.io
from scipy.sparse.csgraph import connected_components

IONS = {"C3H10N3": 1.0, "C2H3O2": -1.0}


def total_charge(frame) -> float:
    """Sum of the charges of the two molecules, e."""
    count, molecule = connected_components(frame.get_all_distances(mic=True) < 1.8)
    return sum(IONS.get(frame[molecule == k].get_chemical_formula(), 0.0) for k in range(count))


def main(folder: str) -> None:
    for part in ("train", "test"):
        frames = [frame for path in sorted(Path(folder).glob(f"*_{part}.extxyz")) for frame in ase.io.read(path, ":")]
        for frame in frames:
            frame.info["total_charge"] = total_charge(frame)
        ase.io.write(f"dimers_{part}.extxyz", frames)
        charges = sorted({(f.get_chemical_formula(), f.info["total_charge"]) for f in frames})
        print(f"dimers_{part}.extxyz: {len(frames)} frames,", ", ".join(f"{name} {q:+.0f}" for name, q in charges))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
