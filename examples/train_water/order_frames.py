"""Puts the shuffled frames of one trajectory back in order and divides them along it.

    python examples/train_water/order_frames.py DATA.extxyz FOLDER

Frames that follow each other in a simulation are alike. Divided at random, every test frame has a near twin among the
training frames, and its errors say little. The frames' order follows from their distances: neighbours in time are
nearest neighbours, so the longest of all shortest paths through near frames is the trajectory. The last 40 frames along
it are for the test, the 40 before for validation, the first 320 for training; the files are in that order.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ase.io
import numpy as np
from scipy.sparse.csgraph import shortest_path

HELD_OUT = 40
STEP = 1.2  # A; frames that differ by less are joined


def distances(frames: list[ase.Atoms]) -> np.ndarray:
    """Root mean square displacement of the atoms between all pairs of frames, A: nearest images, drift removed."""
    box = frames[0].cell.lengths()
    positions = np.array([frame.positions for frame in frames])
    result = np.zeros((len(frames), len(frames)))
    for i, reference in enumerate(positions):
        moved = positions - reference
        moved -= box * np.round(moved / box)
        moved -= moved.mean(1, keepdims=True)
        result[i] = np.sqrt((moved**2).sum(2).mean(1))
    return result


def order_along_trajectory(between: np.ndarray) -> np.ndarray:
    """Indices of the frames from one end of the trajectory to the other."""
    paths = shortest_path(np.where(between < STEP, between, 0), directed=False)
    if np.isinf(paths).any():
        raise ValueError(f"the frames fall into pieces that are more than {STEP} A apart")
    end = np.unravel_index(paths.argmax(), paths.shape)[0]
    return np.argsort(paths[end])


def main(data: str, folder: str) -> None:
    frames = ase.io.read(data, ":")
    between = distances(frames)
    order = order_along_trajectory(between)
    ordered = between[np.ix_(order, order)]
    medians = (f"{lag}: {np.median(np.diag(ordered, lag)):.2f}" for lag in (1, 10, 40, 80, 320) if lag < len(frames))
    print("median distance (A) of frames so many steps apart:", ", ".join(medians))
    n = len(frames)
    parts = {"train": order[: n - 2 * HELD_OUT], "validation": order[n - 2 * HELD_OUT : n - HELD_OUT]}
    parts["test"] = order[n - HELD_OUT :]
    for name in ("validation", "test"):
        nearest = between[np.ix_(parts[name], parts["train"])].min(1)
        print(
            f"from a {name} frame to the nearest training frame: median {np.median(nearest):.2f} A, least {nearest.min():.2f} A"
        )
    Path(folder).mkdir(exist_ok=True)
    for name, members in parts.items():
        ase.io.write(Path(folder) / f"{name}.extxyz", [frames[i] for i in members])
        print(f"{name}: {len(members)} frames")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
