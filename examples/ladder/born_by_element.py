"""Born charges of each element by every rung of a ladder, and whether they sum to zero.

    python examples/ladder/born_by_element.py ladder-cspbi3 test.extxyz --eps-inf 5 --frames 4

Prints trace/3 in e, averaged over the atoms of an element in the smallest frames of the file, as mean and standard deviation
over the seeds, and the rms of the sum's components over all atoms of a frame, divided by the number of atoms.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ase
import ase.io
import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.ase import PolarMPCalculator
from openmm_polarmp.training.ladder import finished
from openmm_polarmp.training.ladder_report import by_rung, scatter


def born_charges(model: str, frames: list[ase.Atoms], eps_inf: float) -> list[NDArray]:
    """Born charges [N, 3, 3] of each frame in e."""
    calculator = PolarMPCalculator(model, eps_inf=eps_inf)
    return [calculator.get_property("born_effective_charges", frame) for frame in frames]


def numbers(frames: list[ase.Atoms], born: list[NDArray], elements: list[str]) -> list[float]:
    """Mean trace/3 of each element, and the rms sum per atom, e."""
    traces = np.concatenate([np.trace(z, axis1=1, axis2=2) / 3 for z in born])
    symbols = np.concatenate([frame.get_chemical_symbols() for frame in frames])
    sums = [np.sqrt((z.sum(0) ** 2).mean()) / len(z) for z in born]
    return [*(float(traces[symbols == element].mean()) for element in elements), float(np.mean(sums))]


def main(folder: Path, data: str, eps_inf: float, count: int) -> None:
    frames = sorted(ase.io.read(data, ":"), key=len)
    frames = [frame for frame in frames if len(frame) == len(frames[0])]
    frames = frames[:: max(1, len(frames) // count)][:count]
    elements = sorted(set(frames[0].get_chemical_symbols()))
    print(f"{'rung':8}" + "".join(f"{element:>18}" for element in elements) + f"{'sum / atoms':>18}")
    for rung, runs in by_rung(finished(folder)).items():
        of_seeds = [
            numbers(frames, born_charges(str(folder / run["model"]), frames, eps_inf), elements) for run in runs
        ]
        print(f"{rung:8}" + "".join(f"{scatter(column, '.3f'):>18}" for column in np.array(of_seeds).T))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data")
    parser.add_argument("--eps-inf", type=float, required=True)
    parser.add_argument("--frames", type=int, default=4)
    options = parser.parse_args()
    main(options.folder, options.data, options.eps_inf, options.frames)
