"""Labels by GFN2-xTB, a method that everybody can run, through tblite.

Energies, forces, stress, dipoles, and for clusters Born charges and polarizabilities as derivatives of forces and dipoles
with respect to a uniform field. They give training data free of licences, and the response of the same method to compare
a model's response with.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Bohr, Hartree

METHODS = ("GFN2-xTB", "GFN1-xTB")
FIELD_STEP = 1e-3
"""Hartree/(e Bohr), 0.05 V/A; the error of the central difference is of second order in it."""


class NotConverged(RuntimeError):
    """The self-consistent calculation of a frame did not converge."""


def label(
    frames: Sequence[ase.Atoms],
    out: str | Path,
    *,
    method: str = "GFN2-xTB",
    response: bool = False,
    accuracy: float = 0.1,
    progress: Callable[[int, str], None] | None = None,
) -> list[int]:
    """Label frames one after the other, and write each to an extended XYZ file as soon as it is done.

    A call with the same arguments continues after an interruption.

    Parameters
    ----------
    frames : sequence of ase.Atoms
        Structures; a missing ``info["total_charge"]`` (e) is 0.
    out : str or Path
        Extended XYZ file to write; OUT.failed beside it lists the frames that did not converge.
    method : str
        GFN2-xTB or GFN1-xTB.
    response : bool
        Also Born charges (e) and polarizability (e^2 A^2/eV) of clusters, which take six more calculations.
    accuracy : float
        tblite's accuracy: 1 is its default, smaller is stricter.
    progress : callable, optional
        Called after each frame with its number and the outcome.

    Returns
    -------
    list of int
        Numbers of the frames that did not converge.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; {' and '.join(map(repr, METHODS))} are accepted")
    out, failures = Path(out), Path(f"{out}.failed")
    done = set(_finished(out)) if out.is_file() else set()
    failed = {int(line.split()[0]) for line in failures.read_text().splitlines()} if failures.is_file() else set()
    if stray := sorted(n for n in done | failed if n >= len(frames)):
        raise ValueError(
            f"out is {str(out)!r}, which has a frame {stray[0]}; files of these {len(frames)} frames are accepted"
        )
    for number, frame in enumerate(frames):
        if number in done or number in failed:
            continue
        try:
            labelled = label_frame(frame, method=method, response=response, accuracy=accuracy)
        except NotConverged as error:
            failed.add(number)
            with failures.open("a") as stream:
                stream.write(f"{number} {error}\n")
            outcome = f"not converged: {error}"
        else:
            labelled.info["frame"] = number
            text = io.StringIO()
            ase.io.write(text, labelled, format="extxyz")
            with out.open("a") as stream:
                stream.write(text.getvalue())
            outcome = "done"
        if progress is not None:
            progress(number, outcome)
    return sorted(failed)


def label_frame(
    frame: ase.Atoms, *, method: str = "GFN2-xTB", response: bool = False, accuracy: float = 0.1
) -> ase.Atoms:
    """A copy of a frame with its labels; the arguments are those of `label`.

    Raises
    ------
    NotConverged
        If the self-consistent calculation does not converge.
    """
    if response and frame.pbc.any():
        raise ValueError("response is True for a periodic frame; clusters are accepted, as a box has no uniform field")
    charge = float(frame.info.get("total_charge", 0.0))
    plain = _calculate(frame, method, charge, accuracy)
    labelled = ase.Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    labels = {"energy": plain["energy"] * Hartree, "forces": -plain["gradient"] * Hartree / Bohr}
    if frame.pbc.all():
        labels["stress"] = plain["virial"] * Hartree / frame.get_volume()
    else:
        labelled.info["dipole"] = plain["dipole"] * Bohr
    labelled.calc = SinglePointCalculator(labelled, **labels)
    labelled.info["total_charge"] = charge
    labelled.info["method"] = method
    if response:
        born, polarizability = _response(frame, method, charge, accuracy)
        labelled.arrays["born_charges"] = born.reshape(len(frame), 9)
        labelled.info["polarizability"] = polarizability
    return labelled


def _response(frame: ase.Atoms, method: str, charge: float, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    """Z*_i,ab = dF_i,b/dE_a [N, 3, 3] in e; alpha_ab = dD_a/dE_b [3, 3] in e^2 A^2/eV."""
    born, alpha = np.zeros((len(frame), 3, 3)), np.zeros((3, 3))
    for axis in range(3):
        field = np.zeros(3)
        field[axis] = FIELD_STEP
        high, low = (_calculate(frame, method, charge, 0.01 * accuracy, sign * field) for sign in (1, -1))
        born[:, axis] = -(high["gradient"] - low["gradient"]) / (2 * FIELD_STEP)
        alpha[:, axis] = (high["dipole"] - low["dipole"]) / (2 * FIELD_STEP)
    return born, alpha * Bohr**2 / Hartree


def _calculate(
    frame: ase.Atoms, method: str, charge: float, accuracy: float, field: np.ndarray | None = None
) -> dict[str, Any]:
    """Energy, gradient, virial and dipole in atomic units."""
    try:
        from tblite import library
        from tblite.interface import Calculator
    except ImportError as error:
        raise ImportError("labels need tblite: pip install 'openmm-polarmp[label]'") from error
    cell = {"lattice": frame.cell.array / Bohr, "periodic": frame.pbc} if frame.pbc.any() else {}
    try:
        calculator = Calculator(method, frame.numbers, frame.positions / Bohr, charge=charge, **cell)
        calculator.set("verbosity", 0)
        calculator.set("accuracy", accuracy)
        if field is not None:
            # tblite 0.8.0 fails to convert an array: it gets the pointer.
            calculator.add("electric-field", library.ffi.cast("double*", field.ctypes.data))
        result = calculator.singlepoint()
    except RuntimeError as error:
        raise NotConverged(str(error).strip() or type(error).__name__) from error
    values = {name: result.get(name) for name in ("energy", "gradient", "virial", "dipole")}
    if not all(np.isfinite(value).all() for value in values.values()):
        raise NotConverged("the solution is not finite")
    return values


def _finished(out: Path) -> list[int]:
    """Numbers of the complete frames in a file; an incomplete one at its end, from an interruption, is removed."""
    lines = out.read_text().splitlines(keepends=True)
    numbers: list[int] = []
    at = 0
    while at < len(lines):
        size = lines[at].strip()
        end = at + 2 + int(size) if size.isdigit() else len(lines) + 1
        if end > len(lines) or not lines[end - 1].endswith("\n"):
            break
        (frame,) = ase.io.iread(io.StringIO("".join(lines[at:end])), format="extxyz")
        if "frame" not in frame.info:
            raise ValueError(
                f"out is {str(out)!r}, whose frame {len(numbers)} has no number; files of this command are accepted"
            )
        numbers.append(int(frame.info["frame"]))
        at = end
    if at < len(lines):
        out.write_text("".join(lines[:at]))
    return numbers
