"""The files that reporters wrote into the folder of a run."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.reporters import MultipoleFile
from openmm_polarmp.reporters.columns import DIPOLE_COLUMNS, POLARIZABILITY_COLUMNS

POTENTIAL_ENERGY = "Potential Energy (kJ/mole)"
TEMPERATURE = "Temperature (K)"
WAVENUMBER = "wavenumber (1/cm)"
TITLES = {
    "energies": POTENTIAL_ENERGY,
    "dipoles": DIPOLE_COLUMNS[0],
    "polarizability": POLARIZABILITY_COLUMNS[0],
    "training": "train_forces",
}
"""A column by which the CSV files of StateDataReporter, DipoleReporter, PolarizabilityReporter and `polarmp train` are
recognized."""


@dataclass
class Run:
    """What a folder holds of a run. Files are recognized by their content, so that their names do not matter.

    Parameters
    ----------
    folder : str or Path
        The folder that reporters, `polarmp train` or `polarmp ir` and `polarmp raman` wrote to.

    Attributes
    ----------
    energies, dipoles, polarizability : Path or None
        CSV files of OpenMM's StateDataReporter, of a DipoleReporter and of a PolarizabilityReporter.
    moments : MultipoleFile or None
        Positions and moments of a MultipoleReporter.
    trajectory, structure : Path or None
        A DCD file and the PDB file of its atoms, which are read where there are no moments.
    training : Path or None
        The log of `polarmp train`.
    spectra : list of Path
        Tables of `polarmp ir --output` and `polarmp raman --output`.
    notes : list of str
        What a reader of the page should know, for example which of several files is shown.
    """

    folder: Path
    energies: Path | None = None
    dipoles: Path | None = None
    polarizability: Path | None = None
    moments: MultipoleFile | None = None
    trajectory: Path | None = None
    structure: Path | None = None
    training: Path | None = None
    spectra: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __init__(self, folder: str | Path) -> None:
        self.folder, self.notes = Path(folder), []
        if not self.folder.is_dir():
            raise FileNotFoundError(f"run is {str(folder)!r}; the folder that a run's reporters wrote to is accepted")
        tables = {path: titles_of(path) for path in self.folder.glob("*.csv")}
        for name, title in TITLES.items():
            setattr(self, name, self._newest(f"tables of {name}", [p for p, row in tables.items() if title in row]))
        described = self._newest("folders of moments", list(self.folder.glob("**/description.json")))
        self.moments = None if described is None else MultipoleFile(described.parent)
        self.trajectory = self._newest("trajectories", list(self.folder.glob("*.dcd")))
        self.structure = self._newest("structures", list(self.folder.glob("*.pdb")))
        self.spectra = sorted(path for path, row in tables.items() if row[:1] == [WAVENUMBER])
        if not (self.is_dynamics or self.training or self.spectra):
            raise FileNotFoundError(
                f"run is {str(folder)!r}, without a file of a MultipoleReporter, DipoleReporter, PolarizabilityReporter, "
                "StateDataReporter or DCDReporter, a log of polarmp train or a table of polarmp ir or raman; a folder with at "
                "least one of them is accepted"
            )

    @property
    def is_dynamics(self) -> bool:
        """Whether reporters wrote to the folder."""
        return any((self.energies, self.dipoles, self.polarizability, self.moments, self.trajectory))

    def _newest(self, kind: str, paths: list[Path]) -> Path | None:
        """The one that was written last; a note says which one it is where there are several."""
        if not paths:
            return None
        newest = max(paths, key=lambda path: (path.stat().st_mtime, str(path)))
        if len(paths) > 1:
            self.notes.append(f"There are {len(paths)} {kind}; shown is the newest, {newest.relative_to(self.folder)}.")
        return newest

    def mean_temperature(self, start: float = 0.25) -> float | None:
        """Mean temperature in K of what follows the first share ``start`` of the run; None where it was not reported."""
        if self.energies is None:
            return None
        values = read_table(self.energies).get(TEMPERATURE, np.empty(0))
        values = values[int(start * len(values)) :]
        return float(np.nanmean(values)) if len(values) else None


def read_table(path: Path) -> dict[str, NDArray]:
    """The columns of a CSV file by title; rows that are not complete are left out, and cells without a number are NaN."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    titles = [title.lstrip("#").strip('"') for title in rows[0]]
    numbers = np.array([[_number(cell) for cell in row] for row in rows[1:] if len(row) == len(titles)])
    return dict(zip(titles, numbers.reshape(-1, len(titles)).T, strict=True))


def titles_of(path: Path) -> list[str]:
    """The titles in the first line of a CSV file."""
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        return [title.lstrip("#").strip('"') for title in next(csv.reader(stream), [])]


def _number(cell: str) -> float:
    """Numbers as they are; cells of words, such as a time left of "2:03", count as not a number."""
    try:
        return float(cell.rstrip("%"))
    except ValueError:
        return float("nan")
