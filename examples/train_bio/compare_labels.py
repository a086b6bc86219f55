"""Errors of methods against a reference, from files of the same frames that `polarmp label` wrote.

    python examples/train_bio/compare_labels.py reference_dft.extxyz reference_so3lr.extxyz reference_gfn2.extxyz reference_student.extxyz

Total energies of two methods differ by constants of the elements: those that fit the differences best are removed. Frames that one of
the files lacks are left out.
"""

from __future__ import annotations

import argparse

import ase
import ase.io
import numpy as np

from openmm_polarmp.training import labels

UNITS = {
    "forces": ("meV/A", 1e3),
    "dipole": ("e A", 1.0),
    "born_charges": ("e", 1.0),
    "polarizability": ("e^2 A^2/eV", 1.0),
}


def read(path: str) -> dict[int, ase.Atoms]:
    """Frames by their numbers, which `polarmp label` gives them; those of other files count from 0."""
    return {int(frame.info.get("frame", n)): frame for n, frame in enumerate(ase.io.iread(path, ":"))}


def energy_errors(reference: list[ase.Atoms], other: list[ase.Atoms]) -> np.ndarray:
    """Differences in eV/atom without the constants of the elements."""
    elements = sorted({z for frame in reference for z in frame.numbers})
    counts = np.array([[np.sum(frame.numbers == z) for z in elements] for frame in reference], float)
    differences = np.array(
        [a.get_potential_energy() - b.get_potential_energy() for a, b in zip(other, reference, strict=True)]
    )
    constants = np.linalg.lstsq(counts, differences, rcond=None)[0]
    return (differences - counts @ constants) / counts.sum(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference")
    parser.add_argument("others", nargs="+")
    parser.add_argument("--by", metavar="KEY", help="errors also of the frames with each value of info KEY")
    options = parser.parse_args()
    files = [read(path) for path in (options.reference, *options.others)]
    common = sorted(set.intersection(*(set(frames) for frames in files)))
    reference, *others = ([frames[n] for n in common] for frames in files)
    print(
        f"{len(common)} of {len(files[0])} frames of {options.reference} ({reference[0].info.get('method', 'reference')}) are in all files"
    )
    kinds = np.array([str(frame.info.get(options.by, "")) for frame in reference])
    for path, frames in zip(options.others, others, strict=True):
        print(f"{path} ({frames[0].info['method']})")
        energies = energy_errors(reference, frames)
        for kind in ["", *sorted(set(kinds) - {""})]:
            chosen = [n for n in range(len(common)) if kind in ("", kinds[n])]
            texts = [
                kind or "all",
                f"{len(chosen)} frames",
                f"energy {1e3 * np.sqrt((energies[chosen] ** 2).mean()):.2f} meV/atom",
            ]
            for name, (unit, factor) in UNITS.items():
                pairs = [(labels(reference[n]), labels(frames[n])) for n in chosen]
                pairs = [(a[name].ravel(), b[name].ravel()) for a, b in pairs if name in a and name in b]
                if pairs:
                    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
                    r2 = 1 - ((b - a) ** 2).sum() / ((a - a.mean()) ** 2).sum()
                    texts.append(f"{name} {factor * np.sqrt(((b - a) ** 2).mean()):.4g} {unit} (R2 {r2:.4f})")
            print("  " + ", ".join(texts))


if __name__ == "__main__":
    main()
