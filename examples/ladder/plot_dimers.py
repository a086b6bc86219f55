"""Energy over distance for the dimers, by each rung: `python examples/ladder/plot_dimers.py ladder-dimers train.extxyz test.extxyz out.png`.

Energies are relative to the largest distance that was learned. The number for each rung is the root mean square error of
the energies at the larger distances, which were not learned.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.io
import numpy as np
from matplotlib.figure import Figure
from scipy.sparse.csgraph import connected_components

from openmm_polarmp.models import RUNGS, load_model
from openmm_polarmp.training import Structure, compare

SHOWN = ("sr", "q", "qu", "quQ+ka")


def distance(frame: ase.Atoms) -> float:
    """Between the centres of the two molecules, A."""
    count, molecule = connected_components(frame.get_all_distances(mic=True) < 1.8)
    if count != 2:
        raise ValueError(f"{frame.symbols}: {count} molecules, not two")
    return float(np.linalg.norm(frame.positions[molecule == 0].mean(0) - frame.positions[molecule == 1].mean(0)))


def main(folder: str, train: str, test: str, out: str) -> None:
    learned, tested = ase.io.read(train, ":"), ase.io.read(test, ":")
    frames = learned + tested
    kinds = [str(frame.symbols) for frame in frames]
    pairs = list(dict.fromkeys(kinds))
    r = np.array([distance(frame) for frame in frames])
    is_test = np.arange(len(frames)) >= len(learned)
    energies = {"reference": np.array([frame.get_potential_energy() for frame in frames])}
    for rung in RUNGS:
        path = Path(folder) / rung / "model.polarmp"
        if path.is_file():
            model = load_model(path).double()
            comparison = compare(model, [Structure.of(f, model.cutoff) for f in frames], born_charges=False)
            energies[rung] = comparison.predicted["energy"] * [len(f) for f in frames]
    for values in energies.values():
        for pair in pairs:
            of_pair = np.array([kind == pair for kind in kinds])
            last = np.flatnonzero(of_pair & ~is_test)[r[of_pair & ~is_test].argmax()]
            values[of_pair] -= values[last]
    print(f"{'rung':8}" + "".join(f"{pair:>22}" for pair in pairs) + f"{'all (meV)':>12}")
    for rung, values in energies.items():
        error = 1000 * (values - energies["reference"])
        cells = [
            f"{np.sqrt((error[[k == pair and t for k, t in zip(kinds, is_test, strict=True)]] ** 2).mean()):22.1f}"
            for pair in pairs
        ]
        print(f"{rung:8}" + "".join(cells) + f"{np.sqrt((error[is_test] ** 2).mean()):12.1f}")
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    for axis, pair in zip(figure.subplots(2, 3).ravel(), pairs, strict=False):
        of_pair = np.array([kind == pair for kind in kinds])
        order = np.flatnonzero(of_pair)[np.argsort(r[of_pair])]
        axis.plot(r[order], energies["reference"][order], "ko", markersize=4, label="reference")
        for rung in SHOWN:
            if rung in energies:
                axis.plot(r[order], energies[rung][order], label=rung)
        axis.axvline(r[of_pair & ~is_test].max(), color="gray", linewidth=0.7, linestyle=":")
        axis.set(title=pair, xlabel="distance (A)", ylabel="energy (eV)")
    figure.axes[0].legend()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
