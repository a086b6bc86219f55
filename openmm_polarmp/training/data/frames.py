"""Labelled structures: reading, validation, reference energies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np

from openmm_polarmp.training.data import hdf5
from openmm_polarmp.training.data._labels import labels

LARGEST_FORCE = 1e3
"""eV/A, root mean square of a frame: more than that is another unit."""


def read_frames(path: str | Path, elements: Iterable[str] | None = None) -> list[ase.Atoms]:
    """
    Read structures with energies (eV) and forces (eV/Å), in any format ASE knows, or HDF5.

    Parameters
    ----------
    path
        File to read: extended XYZ, an ASE database, HDF5 (see `hdf5`)
    elements
        Chemical symbols that are accepted; all if None

    Raises
    ------
    ValueError
        A file without frames; a frame with a missing or non-finite label, of a wrong shape or unit, or with an unknown
        element; the message names the file and the frame
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path: {str(path)!r} does not exist")
    frames = _read(path) if path.stat().st_size else []
    if not frames:
        raise ValueError(f"path: {path} holds no frames, at least one is needed")
    known = None if elements is None else set(elements)
    for number, frame in enumerate(frames):
        _check(frame, f"{path}, frame {number}", known)
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


def _read(path: Path) -> list[ase.Atoms]:
    if path.suffix in hdf5.SUFFIXES:
        return hdf5.read(path)
    try:
        return ase.io.read(path, index=":")
    except Exception as error:  # each format's reader has errors of its own
        raise ValueError(f"path: {path} cannot be read: {type(error).__name__}: {error}") from error


def _check(frame: ase.Atoms, where: str, known: set[str] | None) -> None:
    if known is not None and (unknown := sorted(set(frame.symbols) - known)):
        raise ValueError(f"{where}: elements {unknown}, accepted are {sorted(known)}")
    if not len(frame):
        raise ValueError(f"{where}: no atoms")
    if frame.pbc.any() and not frame.pbc.all():
        raise ValueError(f"{where}: periodic along {frame.pbc.tolist()}; accepted are all axes or none")
    try:
        found = labels(frame)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    for name in ("energy", "forces"):
        if name not in found:
            raise ValueError(f"{where}: no {name}, every frame needs energy and forces")
    found["positions"], found["cell"] = frame.positions, frame.cell.array
    for name, value in found.items():
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{where}: {name} is not finite")
    rms = float(np.sqrt(np.mean(found["forces"] ** 2)))
    if rms > LARGEST_FORCE:
        raise ValueError(
            f"{where}: forces of {rms:.3g} eV/A (rms), at most {LARGEST_FORCE:g}: are they in another unit?"
        )
