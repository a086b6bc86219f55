"""Energy over distance for the dimers, by each rung: `python examples/ladder/plot_dimers.py ladder-dimers train.extxyz test.extxyz out.png`.

Energies are relative to the largest distance that was learned. The number for each rung is the root mean square error of
the energies at the larger distances, which were not learned; of several seeds it is mean and standard deviation. Drawn is
the first seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.io
import numpy as np
from matplotlib.figure import Figure
from scipy.sparse.csgraph import connected_components

from openmm_polarmp.models import load_model
from openmm_polarmp.training import Structure, compare
from openmm_polarmp.training.ladder import finished
from openmm_polarmp.training.ladder_report import scatter

SHOWN = ("sr", "q", "quQ+ka", "quQ+ca")


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
    of_pair = {pair: np.array([kind == pair for kind in kinds]) for pair in pairs}

    def relative(energies: np.ndarray) -> np.ndarray:
        """To the energy of the same pair at the largest distance that was learned."""
        result = energies.copy()
        for mask in of_pair.values():
            last = np.flatnonzero(mask & ~is_test)[r[mask & ~is_test].argmax()]
            result[mask] -= energies[last]
        return result

    reference = relative(np.array([frame.get_potential_energy() for frame in frames]))
    energies: dict[str, list[np.ndarray]] = {}  # of each rung, one array for each seed
    for run in finished(Path(folder)):
        model = load_model(Path(folder) / run["model"]).double()
        comparison = compare(model, [Structure.of(f, model.cutoff) for f in frames], born_charges=False)
        predicted = comparison.predicted["energy"] * [len(f) for f in frames]
        energies.setdefault(run["rung"], []).append(relative(predicted))
    print(f"{'rung':8}" + "".join(f"{pair:>22}" for pair in pairs) + f"{'all (meV)':>18}")
    for rung, of_seeds in energies.items():
        errors = 1000 * (np.array(of_seeds) - reference)
        masks = [*(mask & is_test for mask in of_pair.values()), is_test]
        cells = [scatter(np.sqrt((errors[:, mask] ** 2).mean(1)), ".1f") for mask in masks]
        print(f"{rung:8}" + "".join(f"{cell:>22}" for cell in cells[:-1]) + f"{cells[-1]:>18}")
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    for axis, pair in zip(figure.subplots(2, 3).ravel(), pairs, strict=False):
        order = np.flatnonzero(of_pair[pair])[np.argsort(r[of_pair[pair]])]
        axis.plot(r[order], reference[order], "ko", markersize=4, label="reference")
        for rung in SHOWN:
            if rung in energies:
                axis.plot(r[order], energies[rung][0][order], label=rung)
        axis.axvline(r[of_pair[pair] & ~is_test].max(), color="gray", linewidth=0.7, linestyle=":")
        axis.set(title=pair, xlabel="distance (A)", ylabel="energy (eV)")
    figure.axes[0].legend()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
