"""What an untrained network takes from the data: energies of single atoms, their spread, and the number of neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np

from openmm_polarmp.training.data._labels import labels
from openmm_polarmp.training.data.frames import fit_reference_energies
from openmm_polarmp.training.data.structure import Structure


def single_atoms(frames: Sequence[ase.Atoms]) -> dict[int, float]:
    """Energies of single atoms that fit the total energies best, eV by atomic number."""
    return {ase.data.atomic_numbers[symbol]: energy for symbol, energy in fit_reference_energies(frames).items()}


def force_scale(frames: Sequence[ase.Atoms]) -> dict[int, float]:
    """Energy scale of each element, eV: its rms force times 1 A, at least a tenth of that of all atoms."""
    numbers = np.concatenate([frame.numbers for frame in frames])
    squares = np.concatenate([(labels(frame)["forces"] ** 2).mean(1) for frame in frames])
    overall = float(np.sqrt(squares.mean())) or 1.0
    return {int(z): max(float(np.sqrt(squares[numbers == z].mean())), 0.1 * overall) for z in np.unique(numbers)}


def average_neighbors(frames: Sequence[ase.Atoms], cutoff: float) -> float:
    """Number of neighbours within the cutoff (A) of an atom."""
    some = frames[:: max(1, len(frames) // 20)]
    pairs = sum(Structure.of(frame, cutoff).edge_index.shape[1] for frame in some)
    return max(1.0, pairs / sum(len(frame) for frame in some))
