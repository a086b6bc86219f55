"""Moments of every atom along a run, in a folder of chunks."""

from __future__ import annotations

import atexit
import io
import json
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from openmm import unit

from openmm_polarmp._files import write_atomically
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.reporters.base import ForceReporter

MOMENTS = {
    "charges": "e",
    "induced_charges": "e",
    "dipoles": "e nm",
    "induced_dipoles": "e nm",
    "quadrupoles": "e nm^2",
}
UNITS = {"positions": "nm", "box": "nm", **MOMENTS}


class MultipoleReporter(ForceReporter):
    """Writes latent charges, dipoles, quadrupoles and induced moments of all atoms.

    Each chunk is a file (NPZ) that is written at once when it is full: a kill loses at most the last one.

    Parameters
    ----------
    folder : str or Path
        Where the chunks go; it must not hold a run already, unless ``append``.
    reportInterval : int
        In steps.
    chunk : int
        Reports in a file.
    append : bool
        Continue the run that is in the folder.
    """

    def __init__(self, folder: str | Path, reportInterval: int, chunk: int = 100, append: bool = False) -> None:
        if chunk < 1:
            raise ValueError(f"chunk: expected a positive number of reports, got {chunk}")
        super().__init__(reportInterval)
        self._folder, self._chunk = Path(folder), chunk
        self._folder.mkdir(parents=True, exist_ok=True)
        existing = sorted(self._folder.glob("chunk-*.npz"))
        if existing and not append:
            raise ValueError(f"folder: {str(folder)!r} holds a run already; append=True continues it")
        self._number = len(existing)
        self._rows: dict[str, list] = {}
        # Reporters that still exist when a script ends are flushed before: objects deleted with the interpreter cannot write.
        atexit.register(_flush, weakref.ref(self))

    def _prepare(self, simulation: Any, force: PolarMPForce) -> None:
        elements = [atom.element for atom in simulation.topology.atoms()]
        numbers = [elements[i].atomic_number if elements[i] is not None else 0 for i in self._particles]
        description = {"units": UNITS, "scaling": "latent", "particles": self._particles, "atomic_numbers": numbers}
        write_atomically(self._folder / "description.json", json.dumps(description).encode())

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        step = force.getStepData(simulation.context)
        row = {
            "step": simulation.currentStep,
            "time": state.getTime().value_in_unit(unit.picosecond),
            "positions": state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)[self._particles],
            "box": np.array(state.getPeriodicBoxVectors().value_in_unit(unit.nanometer)),
            **{name: getattr(step, name) for name in MOMENTS},
        }
        for name, value in row.items():
            self._rows.setdefault(name, []).append(value)
        if len(self._rows["step"]) == self._chunk:
            self.flush()

    def flush(self) -> None:
        """Write the reports that are not yet in a file as a chunk (also called at the end)."""
        if not self._rows:
            return
        arrays: dict[str, Any] = {name: np.array(rows) for name, rows in self._rows.items()}
        arrays = {
            name: a.astype(np.float32) if a.dtype == np.float64 and name != "time" else a for name, a in arrays.items()
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomically(self._folder / f"chunk-{self._number:06d}.npz", buffer.getvalue())
        self._number += 1
        self._rows = {}

    def __del__(self) -> None:
        if getattr(self, "_rows", None):
            self.flush()


def _flush(reference: weakref.ref[MultipoleReporter]) -> None:
    reporter = reference()
    if reporter is not None:
        reporter.flush()


class MultipoleFile:
    """Reads what a `MultipoleReporter` wrote, one chunk at a time.

    Parameters
    ----------
    folder : str or Path

    Attributes
    ----------
    atomic_numbers, particles : array
    damaged : str or None
        Says which chunk cannot be read and how much is there before it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._chunks = sorted(self.folder.glob("chunk-*.npz"))
        description = self.folder / "description.json"
        if not description.is_file():
            raise ValueError(f"folder: {str(folder)!r} has no description.json: nothing was reported there")
        values = json.loads(description.read_text())
        self.atomic_numbers = np.array(values["atomic_numbers"])
        self.particles = np.array(values["particles"])
        self.damaged: str | None = None

    def chunks(self) -> Iterator[dict[str, np.ndarray]]:
        """Arrays by name, one row for each report; ends before a chunk that cannot be read, see `damaged`."""
        frames, time = 0, 0.0
        for path in self._chunks:
            try:
                with path.open("rb") as stream, np.load(stream) as file:
                    chunk = dict(file)
            except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
                self.damaged = f"{path.name} cannot be read ({error}); {frames} reports up to {time:g} ps are there"
                return
            frames += len(chunk["step"])
            time = float(chunk["time"][-1])
            yield chunk
