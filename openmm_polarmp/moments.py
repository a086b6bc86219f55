"""The table of moments: what a source gives for every atom (theory.md section 1).

Buffers, checks, copies, getters and their units follow from it. The same names stand in the C++ side's StepData and in the
buffers that it makes for sources in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from openmm import unit

from openmm_polarmp import units


@dataclass(frozen=True)
class Moment:
    """A permanent moment or a response coefficient.

    Attributes
    ----------
    name : str
        Of the values of all atoms, everywhere.
    shape : tuple of int
        Of one atom's value.
    to_openmm : float
        Model's unit -> OpenMM's unit.
    openmm_unit : openmm.unit.Unit
        OpenMM's unit.
    gradient : str
        Name of the derivative of the electrostatic energy with respect to it.
    isotropic : bool
        Whether one number for each atom, [N] or [N,1], is accepted too.
    """

    name: str
    shape: tuple[int, ...]
    to_openmm: float
    openmm_unit: unit.Unit
    gradient: str
    isotropic: bool = False

    @property
    def gradient_to_openmm(self) -> float:
        """Unit of the derivative: model's -> OpenMM's."""
        return units.ENERGY_TO_OPENMM / self.to_openmm

    def accepted_shapes(self, n_atoms: int) -> list[tuple[int, ...]]:
        """Shapes in which the values of all atoms may be given."""
        shapes = [(n_atoms,), (n_atoms, 1)] if self.isotropic else []
        full = (n_atoms, *self.shape)
        return shapes if full in shapes else [*shapes, full]

    def in_model_units(self, values: Any) -> Any:
        """Values without units, in the model's: quantities are converted, numbers are in it already.

        Parameters
        ----------
        values : array_like or Quantity
            Numbers, a Quantity of them, or sequences of either. Energies may be those of one particle or of a mole.

        Raises
        ------
        ValueError
            If a Quantity is of another kind.
        """
        if isinstance(values, (list, tuple)) or (isinstance(values, np.ndarray) and values.dtype == object):
            return [self.in_model_units(value) for value in values]
        if not unit.is_quantity(values):
            return values
        for given in (values, values / unit.AVOGADRO_CONSTANT_NA):  # 1/(kJ/mol), or 1/kJ of one particle
            if given.unit.is_compatible(self.openmm_unit):
                return np.asarray(given.value_in_unit(self.openmm_unit), dtype=np.float64) / self.to_openmm
        raise ValueError(f"{self.name} is in {values.unit}; {self.openmm_unit} and what converts to it are accepted")


_E, _NM, _KJ = unit.elementary_charge, unit.nanometer, unit.kilojoule_per_mole

CHARGES = Moment("charges", (), 1.0, _E, "charge_gradients")
DIPOLES = Moment("dipoles", (3,), units.DIPOLE_TO_OPENMM, _E * _NM, "dipole_gradients")
QUADRUPOLES = Moment("quadrupoles", (3, 3), units.QUADRUPOLE_TO_OPENMM, _E * _NM**2, "quadrupole_gradients")
SOFTNESS = Moment("softness", (), units.SOFTNESS_TO_OPENMM, _E**2 / _KJ, "softness_gradients", isotropic=True)
POLARIZABILITY = Moment(
    "polarizability",
    (3, 3),
    units.POLARIZABILITY_TO_OPENMM,
    _E**2 * _NM**2 / _KJ,
    "polarizability_gradients",
    isotropic=True,
)

MOMENTS = (CHARGES, DIPOLES, QUADRUPOLES, SOFTNESS, POLARIZABILITY)
OPTIONAL = MOMENTS[1:]
"""Those that a source may lack."""
