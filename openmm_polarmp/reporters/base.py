"""What the reporters of a `PolarMPForce` share."""

from __future__ import annotations

import csv
import os
import warnings
import weakref
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import openmm
from openmm import unit

from openmm_polarmp.embedding.find import find_forces
from openmm_polarmp.external_field import warn_of_implausible_field
from openmm_polarmp.force import PolarMPForce


def the_force(simulation: Any, reporter: str) -> tuple[PolarMPForce, list[int], openmm.Context]:
    """The System's one PolarMPForce, its particles, and the Context that its getters take.

    In a mixed system with ``interpolate=True`` the force stands in a CustomCVForce, which has a Context for it.

    Raises
    ------
    ValueError
        If the System has none, or several; ``reporter`` is named in it.
    """
    found = find_forces(simulation.context)
    if len(found) != 1:
        raise ValueError(f"{reporter} needs a System with one PolarMPForce; this one has {len(found)}")
    force, context = found[0]
    return force, force.getParticles() or list(range(simulation.system.getNumParticles())), context


def next_report(simulation: Any, interval: int, include: list[str]) -> dict[str, Any]:
    """What `describeNextReport` returns."""
    steps = interval - simulation.currentStep % interval
    return {"steps": steps, "periodic": False, "include": include}


class ForceReporter:
    """Reports on the System's one PolarMPForce every ``reportInterval`` steps.

    Subclasses say in ``include`` what of a State they need, in `_prepare` what they look up once, and in `_report` what
    they write, from `_context`.
    """

    include: tuple[str, ...] = ("positions", "energy")

    def __init__(self, reportInterval: int) -> None:
        self._interval = reportInterval
        self._force: PolarMPForce | None = None
        self._particles: list[int] = []
        self._context: openmm.Context

    def describeNextReport(self, simulation: Any) -> dict[str, Any]:
        """What the next report needs (called by Simulation)."""
        return next_report(simulation, self._interval, list(self.include))

    def report(self, simulation: Any, state: openmm.State) -> None:
        """Report one state (called by Simulation)."""
        if self._force is None:
            force, self._particles, self._context = the_force(simulation, type(self).__name__)
            self._prepare(simulation, force)
            self._force = force
            warn_of_implausible_field(self._context)
        self._report(simulation, state, self._force)

    def _prepare(self, simulation: Any, force: PolarMPForce) -> None:
        """Look up what does not change."""

    def _leave_out(self, columns: str, reason: str) -> None:
        """Warn that a reporter writes no such columns."""
        warnings.warn(f"{type(self).__name__} leaves out {columns}: {reason}", stacklevel=4)

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        raise NotImplementedError


class TextFile:
    """Lines of comma-separated values, flushed one by one: a kill loses nothing that was reported.

    Whether it can be written shows at once; its columns, which may depend on the System, are told to `begin`.

    Parameters
    ----------
    file : str, os.PathLike or file object
        A path, whose file is closed with this object, or a file that stays open.
    append : bool
        Continue a file; a line that a kill has cut off is removed.
    """

    def __init__(self, file: str | os.PathLike[str] | TextIO, append: bool = False) -> None:
        self._begun = append
        self._path: Path | None = None
        if isinstance(file, (str, os.PathLike)):
            self._path = Path(file)
            self._begun = append and _whole_lines(self._path) > 0
            self._file: TextIO = open(self._path, "a" if self._begun else "w", encoding="utf-8")
            weakref.finalize(self, self._file.close)
        else:
            self._file = file

    def begin(self, titles: Sequence[str]) -> dict[str, str] | None:
        """Write the titles of the columns, or compare them with those of the file that is continued.

        Returns
        -------
        dict or None
            The last row that is there, by title; None if there is none.

        Raises
        ------
        ValueError
            If the file that is continued has other columns.
        """
        if not self._begun:
            self.write(*titles)
            return None
        if self._path is None:
            return None
        with self._path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            if next(rows) != list(titles):
                raise ValueError(
                    f"file is {str(self._path)!r} with other columns than this reporter writes; append=True needs a file with "
                    f"the columns {', '.join(titles)}"
                )
            last = deque(rows, maxlen=1)
        return dict(zip(titles, last[0], strict=True)) if last else None

    def report(self, simulation: Any, state: openmm.State, *values: Any) -> None:
        """Write one line that begins with the step and the time (ps)."""
        time = state.getTime().value_in_unit(unit.picosecond)
        # Twelve digits tell steps of 0.1 fs apart after 10 us.
        self.write(simulation.currentStep, f"{time:.12g}", *values)

    def write(self, *values: Any) -> None:
        """Write one line."""
        print(*values, sep=",", file=self._file, flush=True)


def _whole_lines(path: Path) -> int:
    """Bytes of the file's complete lines, to which it is shortened."""
    if not path.is_file():
        return 0
    with path.open("r+b") as file:
        length = file.read().rfind(b"\n") + 1
        file.truncate(length)
    return length
