"""Labelled frames: reading, checks, reference energies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np

from openmm_polarmp.training.data import hdf5
from openmm_polarmp.training.data._labels import labels
from openmm_polarmp.training.data.keys import check_unread, hint, other_spelling, rename

LARGEST_FORCE = 1e3
"""eV/A, root mean square of a frame: larger forces are in another unit."""


def read_frames(
    path: str | Path, elements: Iterable[str] | None = None, keys: Mapping[str, str] | None = None
) -> list[ase.Atoms]:
    """Read structures with energies (eV) and forces (eV/A), in any format that ASE knows, or HDF5.

    Parameters
    ----------
    path : str or Path
        File to read: extended XYZ, an ASE database, HDF5 (see `hdf5`).
    elements : iterable of str, optional
        Chemical symbols that are accepted; by default all.
    keys : dict of str, optional
        Names in the file of labels that have another one here, such as ``{"energy": "REF_energy"}``.

    Returns
    -------
    list of ase.Atoms
        The frames, with their labels.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file has no frames, a charge under a name that is not read, or a frame has a missing or non-finite label, a label of a wrong shape or unit, or an
        element that is not accepted; the message names the file and the frame.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path is {str(path)!r}; an existing file is accepted")
    frames = _read(path) if path.stat().st_size else []
    if not frames:
        raise ValueError(f"path is {str(path)!r}, a file without frames; at least one frame is accepted")
    accepted = None if elements is None else set(elements)
    for frame in frames:
        rename(frame, keys or {})
    check_unread(frames, str(path))
    for number, frame in enumerate(frames):
        _check(frame, f"{path}, frame {number}", accepted)
    return frames


def fit_reference_energies(frames: Sequence[ase.Atoms]) -> dict[str, float]:
    """Energies per element (eV) that fit the total energies best, by least squares.

    Where the compositions do not determine them (one stoichiometry), the solution of smallest norm is taken.

    Parameters
    ----------
    frames : sequence of ase.Atoms
        With energies.

    Returns
    -------
    dict
        Energy by chemical symbol.
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
        return list(ase.io.iread(path, index=":"))
    except Exception as error:  # each format's reader has errors of its own
        raise ValueError(f"path is {str(path)!r}, which cannot be read: {type(error).__name__}: {error}") from error


def _check(frame: ase.Atoms, where: str, elements: set[str] | None) -> None:
    """Raise a ValueError that begins with ``where`` if a frame is not accepted."""
    if elements is not None and (unknown := sorted(set(frame.symbols) - elements)):
        raise ValueError(f"{where}: has the elements {unknown}; {sorted(elements)} are accepted")
    if not len(frame):
        raise ValueError(f"{where}: has no atoms; at least one is accepted")
    if frame.pbc.any() and not frame.pbc.all():
        raise ValueError(f"{where}: pbc is {frame.pbc.tolist()}; all axes or none are accepted")
    try:
        values = labels(frame)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    for name in ("energy", "forces"):
        if name not in values:
            spelling = other_spelling(frame, name)
            but = "" if spelling is None else f"; {hint(name, spelling)}"
            raise ValueError(f"{where}: has no {name}{but}; frames with energy and forces are accepted")
    values["positions"], values["cell"] = frame.positions, frame.cell.array
    for name, value in values.items():
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{where}: {name} is NaN or infinite; finite numbers are accepted")
    rms = float(np.sqrt(np.mean(values["forces"] ** 2)))
    if rms > LARGEST_FORCE:
        raise ValueError(f"{where}: rms force is {rms:.3g} eV/A; at most {LARGEST_FORCE:g} is accepted (another unit?)")
