"""What a Context knows of a force after its last evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp import units
from openmm_polarmp.moments import CHARGES, DIPOLES, MOMENTS


@dataclass(frozen=True)
class StepData:
    """Energies, moments and what acts on them at a Context's present positions.

    In OpenMM's units and the order of the force's particles; all of it latent (theory.md section 6).

    Attributes
    ----------
    source_energy : float
        Short-range energy of the source, kJ/mol.
    field_scale : float
        s, by which physical moments are larger than these.
    charges, induced_charges : array [N]
        e.
    dipoles, induced_dipoles : array [N,3]
        e nm.
    quadrupoles : array [N,3,3]
        e nm^2, symmetric and traceless.
    softness : array [N]
        e^2/(kJ/mol).
    polarizability : array [N,3,3]
        e^2 nm^2/(kJ/mol).
    embedding_potential : array [N]
        Of the embedding charges at the atoms, kJ/mol/e; zero without charges.
    embedding_field : array [N,3]
        Of the embedding charges at the atoms, V/nm; zero without charges.
    gradients : dict
        Derivatives of the electrostatic energy with respect to every moment, by the moment's name, in kJ/mol by the
        moment's unit.
    """

    source_energy: float
    field_scale: float
    charges: NDArray[np.float64]
    dipoles: NDArray[np.float64]
    quadrupoles: NDArray[np.float64]
    softness: NDArray[np.float64]
    polarizability: NDArray[np.float64]
    induced_charges: NDArray[np.float64]
    induced_dipoles: NDArray[np.float64]
    embedding_potential: NDArray[np.float64]
    embedding_field: NDArray[np.float64]
    gradients: dict[str, NDArray[np.float64]]

    def multipole_moments(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Charge (e), dipole (e nm) and traceless quadrupole (e nm^2) of all atoms at r [N,3] (nm) together, [13]."""
        q = self.charges + self.induced_charges
        mu = self.dipoles + self.induced_dipoles
        quadrupole = np.einsum("i,ia,ib->ab", q, r, r) + np.einsum("ia,ib->ab", r, mu) + np.einsum("ia,ib->ab", mu, r)
        # With M[f] = ... + 1/2 Q : grad grad f an atom's Q is the second moment itself, so it simply adds.
        quadrupole = quadrupole + self.quadrupoles.sum(0)
        quadrupole -= np.eye(3) * np.trace(quadrupole) / 3
        return np.concatenate([[q.sum()], q @ r + mu.sum(0), quadrupole.ravel()])

    @classmethod
    def from_model_units(cls, values: Mapping[str, Any]) -> StepData:
        """From what the C++ side gives by name, in the model's units."""
        return cls(
            source_energy=values["source_energy"] * units.ENERGY_TO_OPENMM,
            field_scale=values["field_scale"],
            induced_charges=values["induced_charges"] * CHARGES.to_openmm,
            induced_dipoles=values["induced_dipoles"] * DIPOLES.to_openmm,
            embedding_potential=values["embedding_potential"] * units.POTENTIAL_TO_OPENMM,
            embedding_field=values["embedding_field"] * units.FIELD_TO_OPENMM,
            gradients={moment.name: values[moment.gradient] * moment.gradient_to_openmm for moment in MOMENTS},
            **{moment.name: values[moment.name] * moment.to_openmm for moment in MOMENTS},
        )
