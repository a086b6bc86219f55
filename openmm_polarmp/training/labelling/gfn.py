"""Labels by GFN-xTB, semi-empirical methods for all elements up to radon, through tblite.

Energies, forces, stress, dipoles, and for clusters Born charges and polarizabilities as derivatives of forces and dipoles
with respect to a uniform field. A cluster with ``info["external_field"]`` (V/A) has its labels in this field.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from functools import partial
from typing import Any

import ase
import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from openmm_polarmp.training.labelling._field import response_by_field
from openmm_polarmp.training.labelling.protocol import (
    Labels,
    NotConverged,
    Provenance,
    check_response,
    one_by_one,
    total_charge,
)


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
        if not accuracy > 0:
            raise ValueError(f"accuracy is {accuracy:g}; a positive number is accepted")
        try:
            version = importlib.metadata.version("tblite")
        except importlib.metadata.PackageNotFoundError as error:
            raise ImportError(
                f"labels of {method} need tblite, not installed here: pip install 'openmm-polarmp[label]'"
            ) from error
        self.method, self.accuracy = method, accuracy
        self.provenance = Provenance(method, f"tblite {version}", {"accuracy": accuracy})

    def calculate(self, frames: Sequence[ase.Atoms], response: bool) -> list[Labels | NotConverged]:
        """As in `Method`."""
        check_response(frames, response, in_fields=True)
        return one_by_one(frames, lambda frame: self._labels(frame, response))

    def _labels(self, frame: ase.Atoms, response: bool) -> Labels:
        field = frame.info.get("external_field")
        if field is not None:
            field = np.asarray(field, dtype=float) * Bohr / Hartree
        plain = self.singlepoint(frame, self.accuracy, field)
        periodic = bool(frame.pbc.all())
        born, alpha = response_by_field(partial(self._in_field, frame)) if response else (None, None)
        return Labels(
            plain["energy"] * Hartree,
            -plain["gradient"] * Hartree / Bohr,
            stress=plain["virial"] * Hartree / frame.get_volume() if periodic else None,
            dipole=None if periodic else plain["dipole"] * Bohr,
            born_charges=born,
            polarizability=alpha,
        )

    def _in_field(
        self, frame: ase.Atoms, field: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Forces and dipole, in atomic units, to the accuracy that differences need."""
        values = self.singlepoint(frame, 0.01 * self.accuracy, field)
        return -values["gradient"], values["dipole"]

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
