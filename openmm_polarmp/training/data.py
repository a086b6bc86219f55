"""Labelled structures: reading, validation, reference energies, splits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.calculators.calculator import PropertyNotImplementedError


def read_frames(path: str | Path, elements: Iterable[str] | None = None) -> list[ase.Atoms]:
    """
    Read structures with energies (eV) and forces (eV/Å), in any format ASE knows.

    Parameters
    ----------
    path
        File to read, e.g. extended XYZ or an ASE database
    elements
        Chemical symbols that are accepted; all if None

    Raises
    ------
    ValueError
        A file without frames; a frame with a missing or non-finite label or with an unknown element
    """
    path = Path(path)
    frames = ase.io.read(path, index=":") if path.stat().st_size else []
    if not frames:
        raise ValueError(f"path: {path} holds no frames, at least one is needed")
    known = None if elements is None else set(elements)
    for number, frame in enumerate(frames):
        where = f"{path}, frame {number}"
        if known is not None and (unknown := sorted(set(frame.symbols) - known)):
            raise ValueError(f"{where}: elements {unknown}, accepted are {sorted(known)}")
        for name, read in (("energy", frame.get_potential_energy), ("forces", frame.get_forces)):
            try:
                label = read()
            except (RuntimeError, PropertyNotImplementedError) as error:
                raise ValueError(f"{where}: no {name}, every frame needs energy and forces") from error
            if not np.all(np.isfinite(label)):
                raise ValueError(f"{where}: {name} is not finite")
    return frames


def fit_reference_energies(frames: Sequence[ase.Atoms]) -> dict[str, float]:
    """
    Energies per element (eV) that explain the total energies best, in the sense of least squares.

    Compositions that do not tell the elements apart (one stoichiometry) get the shortest solution.
    """
    symbols = sorted({symbol for frame in frames for symbol in frame.symbols})
    counts = np.array([[list(frame.symbols).count(symbol) for symbol in symbols] for frame in frames], dtype=float)
    energies = np.array([frame.get_potential_energy() for frame in frames])
    solution = np.linalg.lstsq(counts, energies, rcond=None)[0]
    return dict(zip(symbols, solution.tolist(), strict=True))


def split_frames(
    frames: Sequence[ase.Atoms], validation: int, seed: int = 0
) -> tuple[list[ase.Atoms], list[ase.Atoms]]:
    """Divide frames at random, reproducibly, into training and `validation` held-out ones."""
    if not 0 < validation < len(frames):
        raise ValueError(f"validation: got {validation}, accepted are 1 to {len(frames) - 1}")
    order = np.random.default_rng(seed).permutation(len(frames))
    return [frames[i] for i in order[validation:]], [frames[i] for i in order[:validation]]
