"""Moments of every atom along a run, in a folder of chunks."""

from __future__ import annotations

import io
import json
import time
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
LONGEST_WAIT = 60.0
"""Seconds after which a chunk is written although it is not full."""
UNITS = {"positions": "nm", "box": "nm", **MOMENTS}


class MultipoleReporter(ForceReporter):
    """Writes latent charges, dipoles, quadrupoles and induced moments of all atoms.

    Each chunk is a file (NPZ), replaced atomically. The last one is written when the script ends, also by an exception, and
    once a minute before: a kill loses what was reported since, at most one chunk.

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
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        existing = sorted(self._folder.glob("chunk-*.npz"))
        if existing and not append:
            raise ValueError(f"folder: {str(folder)!r} holds a run already; append=True continues it")
        self._chunks = _Chunks(self._folder, chunk, len(existing))
        # Called when the reporter is deleted and, while modules can still be imported, when the interpreter ends.
        weakref.finalize(self, self._chunks.write)

    def _prepare(self, simulation: Any, force: PolarMPForce) -> None:
        elements = [atom.element for atom in simulation.topology.atoms()]
        numbers = [elements[i].atomic_number if elements[i] is not None else 0 for i in self._particles]
        description = {
            "units": UNITS,
            "scaling": "latent",
            "particles": self._particles,
            "atomic_numbers": numbers,
            "periodic": force.usesPeriodicBoundaryConditions(),
        }
        write_atomically(self._folder / "description.json", json.dumps(description).encode())

    def _report(self, simulation: Any, state: openmm.State, force: PolarMPForce) -> None:
        step = force.getStepData(self._context)
        self._chunks.add(
            {
                "step": simulation.currentStep,
                "time": state.getTime().value_in_unit(unit.picosecond),
                "positions": state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)[self._particles],
                "box": np.array(state.getPeriodicBoxVectors().value_in_unit(unit.nanometer)),
                **{name: getattr(step, name) for name in MOMENTS},
            }
        )

    def flush(self) -> None:
        """Write the reports that are not yet in a file (also called at the end)."""
        self._chunks.write()


class _Chunks:
    """Rows that go into numbered files. It does not know its reporter, which can be deleted while this still writes."""

    def __init__(self, folder: Path, size: int, number: int) -> None:
        self._folder, self._size, self._number = folder, size, number
        self._rows: dict[str, list[Any]] = {}
        self._unwritten, self._last_write = 0, time.monotonic()

    def add(self, row: dict[str, Any]) -> None:
        """Add a row, and write when the chunk is full or has waited long enough."""
        for name, value in row.items():
            self._rows.setdefault(name, []).append(value)
        self._unwritten += 1
        if len(self._rows["step"]) == self._size:
            self.write()
            self._number, self._rows = self._number + 1, {}
        elif time.monotonic() - self._last_write > LONGEST_WAIT:
            self.write()

    def write(self) -> None:
        """Write the present chunk, if it has rows that its file has not."""
        if not self._unwritten:
            return
        arrays: dict[str, Any] = {name: np.array(rows) for name, rows in self._rows.items()}
        arrays = {
            name: a.astype(np.float32) if a.dtype == np.float64 and name != "time" else a for name, a in arrays.items()
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_atomically(self._folder / f"chunk-{self._number:06d}.npz", buffer.getvalue())
        self._unwritten, self._last_write = 0, time.monotonic()


class MultipoleFile:
    """Reads what a `MultipoleReporter` wrote, one chunk at a time.

    Parameters
    ----------
    folder : str or Path
        The folder of the reporter.

    Attributes
    ----------
    atomic_numbers, particles : array
        Of the atoms with moments, and their indices in the System.
    periodic : bool
        Whether the run had a periodic box; True for files of older versions, which do not say.
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
        self.periodic = bool(values.get("periodic", True))
        self.damaged: str | None = None

    def chunks(self) -> Iterator[dict[str, np.ndarray]]:
        """Arrays by name, one row for each report; ends before a chunk that cannot be read, see `damaged`.

        These are ``step``, ``time`` (ps), ``positions`` and ``box`` (nm), and the latent ``charges`` and ``induced_charges``
        (e), ``dipoles`` and ``induced_dipoles`` (e nm), and ``quadrupoles`` (e nm^2).
        """
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
