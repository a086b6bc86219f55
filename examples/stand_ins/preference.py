"""Which way a gold dimer prefers to lie on MgO, with and without aluminium 10 A away, by each rung beside the reference.

    python examples/stand_ins/preference.py au2_mgo_scan_labelled.extxyz ladder-au2_mgo

Prints for both substrates the energy of the dimer lying on the surface minus that of the upright one, each at its best height
of the scan (make_solids.py), and how much the aluminium changes it; of several seeds mean and standard deviation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase
import ase.io
import numpy as np

from openmm_polarmp.ase import PolarMPCalculator
from openmm_polarmp.training.ladder import finished
from openmm_polarmp.training.ladder_report import by_rung, scatter


def preferences(frames: list[ase.Atoms], energies: list[float]) -> np.ndarray:
    """Lying minus upright in eV: pure, doped, and the difference between both."""
    lowest: dict[str, float] = {}
    for frame, energy in zip(frames, energies, strict=True):
        kind = frame.info["kind"]
        lowest[kind] = min(energy, lowest.get(kind, np.inf))
    pure, doped = (lowest[f"{kind} lying"] - lowest[f"{kind} upright"] for kind in ("pure", "doped"))
    return np.array([pure, doped, doped - pure])


def main(scan: str, folder: str) -> None:
    frames = ase.io.read(scan, ":")
    print(f"{'lying - upright (eV)':22}{'pure':>20}{'doped':>20}{'doped - pure':>20}")
    exact = preferences(frames, [frame.get_potential_energy() for frame in frames])
    print(f"{'reference':22}" + "".join(f"{value:20.3f}" for value in exact))
    for rung, runs in by_rung(finished(Path(folder))).items():
        of_seeds = []
        for run in runs:
            calculator = PolarMPCalculator(str(Path(folder) / run["model"]))
            of_seeds.append(preferences(frames, [calculator.get_potential_energy(frame) for frame in frames]))
        print(f"{rung:22}" + "".join(f"{scatter(column, '.3f'):>20}" for column in np.array(of_seeds).T))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
