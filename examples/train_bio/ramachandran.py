"""Dihedral angles of runs of dynamics.py side by side, such as a model's and a force field's.

python examples/train_bio/ramachandran.py phi-psi.png MODEL_FOLDER FORCE_FIELD_FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("folders", nargs="+", type=Path)
    options = parser.parse_args()
    figure, axes = plt.subplots(1, len(options.folders), figsize=(3.6 * len(options.folders), 3.6), squeeze=False)
    for axis, folder in zip(axes[0], options.folders, strict=True):
        angles = np.loadtxt(folder / "dihedrals.csv", delimiter=",", skiprows=1, ndmin=2)
        pairs = angles.shape[1] // 2
        for n in range(pairs):
            axis.plot(angles[:, n], angles[:, pairs + n], ".", markersize=2, alpha=0.5)
        axis.set(title=folder.name, xlabel="phi (degrees)", ylabel="psi (degrees)", xlim=(-180, 180), ylim=(-180, 180))
    figure.tight_layout()
    figure.savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
