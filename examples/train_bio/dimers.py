"""Interaction energies of pairs of held-out molecules at growing distances, by several methods.

    python examples/train_bio/dimers.py build data/bio_test.extxyz dimers.extxyz
    polarmp label dimers.extxyz dimers_dft.extxyz --method pyscf:pbe0-d4/def2-tzvp      and so3lr, gfn2, MODEL.polarmp
    python examples/train_bio/dimers.py compare dimers_dft.extxyz dimers_so3lr.extxyz dimers_model.extxyz

20 pairs: each molecule alone, and the pair at 1.0, 1.1, 1.25, 1.5, 2 and 3 times the distance of a close contact. The molecules keep
their shapes, so that E(pair) - E(a) - E(b) is what acts between them.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np

from build import together

STRETCHES = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)
CONTACT = 0.78
"""Closest contact over the sum of the van der Waals radii: about that of a hydrogen bond."""
EACH = 2 + len(STRETCHES)


def build(test: str, out: str, count: int, largest: int) -> None:
    """Write molecules and pairs."""
    rng = np.random.default_rng(1)
    single: dict[str, ase.Atoms] = {}
    for frame in ase.io.iread(test, ":"):
        if 2 < len(frame) <= largest and not frame.pbc.any() and frame.arrays["molecules"].max() == 0:
            single.setdefault(frame.info["source"], frame)
    names, frames = sorted(single), []
    for number in range(count):
        first, second = (single[name] for name in rng.choice(names, 2, replace=False))
        closest = min(
            (together(first, second, CONTACT, rng, "dimer") for _ in range(10)),
            key=lambda pair: extent(pair, len(first)),
        )
        a, b = closest[: len(first)], closest[len(first) :]
        axis = b.positions.mean(0) - a.positions.mean(0)
        pairs = []
        for stretch in STRETCHES:
            pair = closest.copy()
            pair.positions[len(a) :] += (stretch - 1) * axis
            pairs.append(pair)
        for frame, original in ((a, first), (b, second)):
            frame.info = {"total_charge": original.info["total_charge"], "source": original.info["source"]}
        for which, frame in zip(("a", "b", *STRETCHES), (a, b, *pairs), strict=True):
            frame.info |= {"kind": "dimer", "dimer": number, "part_of_dimer": str(which)}
            frames.append(frame)
    ase.io.write(out, frames)
    print(f"{count} pairs of {len(single)} molecules, {len(frames)} frames, {sum(map(len, frames))} atoms in {out}")


def extent(pair: ase.Atoms, first: int) -> float:
    """Distance of the molecules' centres, A: the closest of some orientations is a real contact."""
    return float(np.linalg.norm(pair.positions[:first].mean(0) - pair.positions[first:].mean(0)))


def interactions(path: str) -> dict[tuple[int, str], float]:
    """Interaction energies in kJ/mol by pair and stretch."""
    energies = {
        (int(frame.info["dimer"]), str(frame.info["part_of_dimer"])): frame.get_potential_energy()
        for frame in ase.io.iread(path, ":")
    }
    return {
        (number, which): 96.485 * (energy - energies[number, "a"] - energies[number, "b"])
        for (number, which), energy in energies.items()
        if which not in ("a", "b") and {(number, "a"), (number, "b")} <= energies.keys()
    }


def compare(reference: str, others: list[str]) -> None:
    """Print root mean square differences by stretch."""
    expected = interactions(reference)
    print(f"kJ/mol at {', '.join(map(str, STRETCHES))} times the contact; in brackets all")
    for path in [reference, *others]:
        found = interactions(path)
        common = sorted(expected.keys() & found.keys())
        errors = np.array([found[key] - (0.0 if path == reference else expected[key]) for key in common])
        stretches = np.array([float(which) for _, which in common])
        values = [f"{np.sqrt((errors[stretches == s] ** 2).mean()):.2f}" for s in STRETCHES]
        what = "rms" if path == reference else "RMSE"
        print(f"{path}: {what} {', '.join(values)} ({np.sqrt((errors**2).mean()):.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["build", "compare"])
    parser.add_argument("files", nargs="+")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--largest", type=int, default=12, help="number of atoms of a molecule (default 12)")
    options = parser.parse_args()
    if options.what == "build":
        if len(options.files) != 2:
            parser.error("build needs the test frames and the file to write")
        build(*options.files, options.pairs, options.largest)
    else:
        compare(options.files[0], options.files[1:])


if __name__ == "__main__":
    main()
