"""The pair distribution of the most frequent element other than hydrogen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.molecules import nearest_image
from openmm_polarmp.view.frames import Frames

BIN = 0.005
"""nm."""
MOST_CENTERS = 500
"""Atoms around which pairs are counted in a frame."""


def radial_distribution(frames: Frames) -> tuple[int, NDArray, NDArray] | None:
    """Atomic number, distances in nm and g(r), between different molecules; None without a box or with too few atoms."""
    numbers, box = frames.numbers, frames.box
    kinds, counts = np.unique(numbers[numbers > 1], return_counts=True)
    if box is None or len(kinds) == 0 or counts.max() < 8:
        return None
    element = int(kinds[counts.argmax()])
    atoms = np.flatnonzero(numbers == element)
    molecule = frames.molecules.index[atoms]
    start = len(frames.times) // 4
    largest = 0.5 * min(float(1 / np.sqrt(np.square(np.linalg.inv(b)).sum(0)).max()) for b in box)
    edges = np.arange(0.0, largest, BIN)
    counted, expected = np.zeros(len(edges) - 1), 0.0
    centers = slice(None, None, -(-len(atoms) // MOST_CENTERS))
    for r, b in zip(frames.positions[start:, atoms], box[start:], strict=True):
        distances = np.linalg.norm(nearest_image(r[centers, None] - r, b), axis=2)
        others = molecule[centers, None] != molecule
        counted += np.histogram(distances[others], edges)[0]
        expected += others.sum() / np.linalg.det(b)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    return element, 0.5 * (edges[1:] + edges[:-1]), counted / (expected * shells)
