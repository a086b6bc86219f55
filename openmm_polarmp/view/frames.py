"""Frames of a run for the viewer: positions, charges and dipoles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.molecules import Molecules, molecular_dipoles, sums
from openmm_polarmp.reporters import MultipoleFile
from openmm_polarmp.view.bonds import find_bonds
from openmm_polarmp.view.run import Run

MOST_POSITIONS = 400_000
"""Atoms times frames of a page, which then has about 10 MB."""


@dataclass
class Frames:
    """Some frames of a run, at equal intervals.

    Attributes
    ----------
    numbers : array [N]
        Atomic numbers.
    times : array [F]
        ps; NaN where the file does not say.
    positions : array [F, N, 3]
        nm, in a box with whole molecules.
    box : array [F, 3, 3] or None
        Box vectors, nm; None without a periodic box.
    charges : array [F, N] or None
        Permanent and induced charges together, e, latent; None where no moments were reported.
    dipoles, induced_dipoles : array [F, N, 3] or None
        Atomic dipoles, all and the induced part, e nm, latent.
    total : int
        Number of frames that the run has.
    """

    numbers: NDArray
    times: NDArray
    positions: NDArray
    box: NDArray | None
    charges: NDArray | None
    dipoles: NDArray | None
    induced_dipoles: NDArray | None
    total: int

    def __post_init__(self) -> None:
        if self.box is not None:
            pairs = zip(self.positions, self.box, strict=True)
            self.positions = np.array([self.molecules.whole(r, box) for r, box in pairs])

    @cached_property
    def bonds(self) -> NDArray:
        """Pairs of atoms that are bonded in the first frame, [B, 2]."""
        return find_bonds(self.numbers, self.positions[0], None if self.box is None else self.box[0])

    @cached_property
    def molecules(self) -> Molecules:
        """Atoms that bonds connect in the first frame."""
        return Molecules(self.bonds, len(self.numbers))

    def molecular_dipoles(self) -> tuple[NDArray, NDArray]:
        """Dipoles of the molecules about their centres, [F, M, 3] in e nm, and their charges, [F, M] in e."""
        if self.charges is None or self.dipoles is None:
            raise ValueError("frames has no moments; frames of a MultipoleReporter are accepted")
        groups = self.molecules.atoms
        frames = zip(self.positions, self.charges, self.dipoles, strict=True)
        dipoles = np.array([molecular_dipoles(*frame, groups) for frame in frames])
        return dipoles, np.array([sums(q, groups) for q in self.charges])


def read_frames(run: Run, most: int = 100) -> Frames | None:
    """At most so many frames of a run, at equal intervals; None where it has neither moments nor a trajectory.

    Parameters
    ----------
    run : Run
        The run's files.
    most : int
        Largest number of frames; large systems get fewer (`MOST_POSITIONS`).
    """
    if most < 1:
        raise ValueError(f"frames is {most}; a positive integer is accepted")
    if run.moments is not None:
        total = sum(len(chunk["step"]) for chunk in run.moments.chunks())
        if total:
            return _of_moments(run.moments, total, most)
        run.notes.append("No moments are written yet: the first come with a full chunk, or after a minute.")
    if run.trajectory is None:
        return None
    if run.structure is None:
        run.notes.append(f"{run.trajectory.name} is not shown: the folder has no PDB file that names its atoms.")
        return None
    from openmm_polarmp.view._dcd import read_dcd

    numbers, positions, box = read_dcd(run.trajectory, run.structure)
    chosen = picked(len(positions), len(numbers), most)
    box = None if box is None else box[chosen]
    times = np.full(len(chosen), np.nan)
    return Frames(numbers, times, positions[chosen], box, None, None, None, len(positions))


def picked(frames: int, atoms: int, most: int) -> NDArray:
    """Indices of frames at equal intervals, from the first one on."""
    count = max(1, min(most, frames, MOST_POSITIONS // atoms))
    return np.arange(0, frames, -(-frames // count))


def _of_moments(file: MultipoleFile, total: int, most: int) -> Frames:
    chosen = set(picked(total, len(file.atomic_numbers), most).tolist())
    rows = [row for number, row in enumerate(_rows(file)) if number in chosen]
    values = {name: np.array([row[name] for row in rows], dtype=float) for name in rows[0]}
    return Frames(
        file.atomic_numbers,
        values["time"],
        values["positions"],
        values["box"] if file.periodic else None,
        values["charges"] + values["induced_charges"],
        values["dipoles"] + values["induced_dipoles"],
        values["induced_dipoles"],
        total,
    )


def _rows(file: MultipoleFile) -> Iterator[dict[str, NDArray]]:
    for chunk in file.chunks():
        for i in range(len(chunk["step"])):
            yield {name: values[i] for name, values in chunk.items()}
