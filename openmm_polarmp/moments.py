"""The table of moments: what a source gives for every atom (theory.md section 1).

Buffers, checks, copies, getters and their units follow from it. The same names stand in the C++ side's StepData and in the
buffers that it makes for sources in Python.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    gradient : str
        Name of the derivative of the electrostatic energy with respect to it.
    isotropic : bool
        Whether one number for each atom, [N] or [N,1], is accepted too.
    """

    name: str
    shape: tuple[int, ...]
    to_openmm: float
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


CHARGES = Moment("charges", (), 1.0, "charge_gradients")
DIPOLES = Moment("dipoles", (3,), units.DIPOLE_TO_OPENMM, "dipole_gradients")
QUADRUPOLES = Moment("quadrupoles", (3, 3), units.QUADRUPOLE_TO_OPENMM, "quadrupole_gradients")
SOFTNESS = Moment("softness", (), units.SOFTNESS_TO_OPENMM, "softness_gradients", isotropic=True)
POLARIZABILITY = Moment(
    "polarizability", (3, 3), units.POLARIZABILITY_TO_OPENMM, "polarizability_gradients", isotropic=True
)

MOMENTS = (CHARGES, DIPOLES, QUADRUPOLES, SOFTNESS, POLARIZABILITY)
OPTIONAL = MOMENTS[1:]
"""Those that a source may lack."""
