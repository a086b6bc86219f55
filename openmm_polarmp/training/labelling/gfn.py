"""Labels by GFN-xTB, semi-empirical methods for all elements up to radon, through tblite.

Energies, forces, stress, dipoles, and for clusters Born charges and polarizabilities as derivatives of forces and dipoles
with respect to a uniform field.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import ase
import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from openmm_polarmp.training.labelling.protocol import Labels, NotConverged, Provenance, check_response, total_charge

FIELD_STEP = 1e-3
"""Hartree/(e Bohr), 0.05 V/A; the error of the central difference is of second order in it."""


class GFNMethod:
    """GFN2-xTB or GFN1-xTB.

    Parameters
    ----------
    method : str
        tblite's name of it.
    accuracy : float
        tblite's accuracy: 1 is its default, smaller is stricter.
    """

    atoms_at_once = 0

    def __init__(self, method: str = "GFN2-xTB", accuracy: float = 0.1) -> None:
        try:
            version = importlib.metadata.version("tblite")
        except importlib.metadata.PackageNotFoundError as error:
            raise ImportError(f"labels of {method} need tblite: pip install 'openmm-polarmp[label]'") from error
        self.method, self.accuracy = method, accuracy
        self.provenance = Provenance(method, f"tblite {version}", {"accuracy": accuracy})

    def calculate(self, frames: Sequence[ase.Atoms], response: bool) -> list[Labels | NotConverged]:
        """As in `Method`."""
        check_response(frames, response)
        results: list[Labels | NotConverged] = []
        for frame in frames:
            try:
                results.append(self._labels(frame, response))
            except NotConverged as error:
                results.append(error)
        return results

    def _labels(self, frame: ase.Atoms, response: bool) -> Labels:
        plain = self.singlepoint(frame, self.accuracy)
        periodic = bool(frame.pbc.all())
        born, alpha = self._response(frame) if response else (None, None)
        return Labels(
            plain["energy"] * Hartree,
            -plain["gradient"] * Hartree / Bohr,
            stress=plain["virial"] * Hartree / frame.get_volume() if periodic else None,
            dipole=None if periodic else plain["dipole"] * Bohr,
            born_charges=born,
            polarizability=alpha,
        )

    def _response(self, frame: ase.Atoms) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Z*_i,ab = dF_i,b/dE_a [N, 3, 3] in e; alpha_ab = dD_a/dE_b [3, 3] in e^2 A^2/eV."""
        born, alpha = np.zeros((len(frame), 3, 3)), np.zeros((3, 3))
        for axis in range(3):
            field = np.zeros(3)
            field[axis] = FIELD_STEP
            high, low = (self.singlepoint(frame, 0.01 * self.accuracy, sign * field) for sign in (1, -1))
            born[:, axis] = -(high["gradient"] - low["gradient"]) / (2 * FIELD_STEP)
            alpha[:, axis] = (high["dipole"] - low["dipole"]) / (2 * FIELD_STEP)
        return born, alpha * Bohr**2 / Hartree

    def singlepoint(
        self, frame: ase.Atoms, accuracy: float, field: NDArray[np.float64] | None = None
    ) -> dict[str, Any]:
        """Energy, gradient, virial and dipole in a field, all in atomic units."""
        from tblite import library
        from tblite.interface import Calculator

        cell = {"lattice": frame.cell.array / Bohr, "periodic": frame.pbc} if frame.pbc.any() else {}
        try:
            calculator = Calculator(
                self.method, frame.numbers, frame.positions / Bohr, charge=total_charge(frame), **cell
            )
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
