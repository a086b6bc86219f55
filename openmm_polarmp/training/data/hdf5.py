"""Labelled structures in HDF5: a group for each composition, a row for each frame.

A group (of any name) holds ``atomic_numbers`` [N], ``positions`` [F, N, 3] in A, ``energy`` [F] in eV, ``forces``
[F, N, 3] in eV/A and, where the frames have them, ``cell`` [F, 3, 3] in A (without it they are clusters), ``stress``
[F, 3, 3] in eV/A^3, ``dipole`` [F, 3] in e A, ``born_charges`` [F, N, 3, 3] in e, ``total_charge`` [F] in e,
``external_field`` [F, 3] in V/A, ``molecules`` [F, N], ``molecule_charges`` [F, N] in e, ``weight`` [F] and
``energy_weight`` [F].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator

from openmm_polarmp._extras import require
from openmm_polarmp.training.data._labels import labels

SUFFIXES = (".h5", ".hdf5")


def read(path: Path) -> list[ase.Atoms]:
    """Read all frames of a file."""
    require("HDF5", "train", ["h5py"])
    import h5py

    frames = []
    try:
        with h5py.File(path) as file:
            for name in file:
                group = file[name]
                missing = [key for key in ("atomic_numbers", "positions") if key not in group]
                if missing:
                    raise ValueError(
                        f"path is {str(path)!r}, whose group {name} has no {', '.join(missing)}; complete groups are accepted"
                    )
                frames += _frames({key: group[key][()] for key in group})
    except OSError as error:
        raise ValueError(f"path is {str(path)!r}, which cannot be read: {error}") from error
    return frames


def write(path: Path, frames: Sequence[ase.Atoms]) -> None:
    """Write frames with their labels, one group for each composition, periodicity and set of labels."""
    require("HDF5", "train", ["h5py"])
    import h5py

    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for frame in frames:
        row = {"positions": frame.positions, **labels(frame)}
        if frame.pbc.all():
            row["cell"] = frame.cell.array
        groups.setdefault((tuple(frame.numbers.tolist()), *sorted(row)), []).append(row)
    with h5py.File(path, "w") as file:
        for number, (key, rows) in enumerate(groups.items()):
            group = file.create_group(f"{number:06d}")
            group["atomic_numbers"] = np.array(key[0])
            for name in rows[0]:
                group[name] = np.stack([row[name] for row in rows])


def _frames(values: dict[str, Any]) -> list[ase.Atoms]:
    frames = []
    for row, positions in enumerate(values["positions"]):
        cell = values["cell"][row] if "cell" in values else None
        frame = ase.Atoms(values["atomic_numbers"], positions, cell=cell, pbc=cell is not None)
        calculated = {name: values[name][row] for name in ("energy", "forces", "stress") if name in values}
        frame.calc = SinglePointCalculator(frame, **calculated)
        for name in ("dipole", "total_charge", "external_field", "weight", "energy_weight"):
            if name in values:
                frame.info[name] = values[name][row]
        if "born_charges" in values:
            frame.arrays["born_charges"] = values["born_charges"][row].reshape(len(frame), 9)
        for name in ("molecules", "molecule_charges"):
            if name in values:
                frame.arrays[name] = values[name][row]
        frames.append(frame)
    return frames
