"""What a Context knows of a force after its last evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp import units
from openmm_polarmp.moments import CHARGES, DIPOLES, MOMENTS, SOFTNESS

NO_SCALE = "with chi of 1 or more a response in one step would screen more than a whole field, and moments have no physical scale"


@dataclass(frozen=True)
class StepData:
    """Energies, moments and what acts on them at a Context's present positions.

    In OpenMM's units and the order of the force's particles; all of it latent (theory.md section 6).

    Attributes
    ----------
    source_energy : float
        Short-range energy of the source, kJ/mol.
    sqrt_eps_e : float
        s, without a unit, by which physical moments are larger than these; NaN where there is none (`field_scale`).
    charges, induced_charges : array [N]
        e.
    local_charges : array [N]
        Charges before neighbours exchange some, e; the charges of a model without flows.
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
    iterations : int
        Of mutual induction; 0 with direct response.
    fermi_levels : array [G]
        Energy of an electron (kJ/mol) in each group with a given charge, or the level that is given; empty without either.
    """

    source_energy: float
    sqrt_eps_e: float
    charges: NDArray[np.float64]
    local_charges: NDArray[np.float64]
    dipoles: NDArray[np.float64]
    quadrupoles: NDArray[np.float64]
    softness: NDArray[np.float64]
    polarizability: NDArray[np.float64]
    induced_charges: NDArray[np.float64]
    induced_dipoles: NDArray[np.float64]
    embedding_potential: NDArray[np.float64]
    embedding_field: NDArray[np.float64]
    gradients: dict[str, NDArray[np.float64]]
    iterations: int = 0
    fermi_levels: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def field_scale(self) -> float:
        """s, by which physical moments are larger than these.

        Raises
        ------
        ValueError
            If there is none, because a response in one step is too strong (theory.md section 6).
        """
        if math.isnan(self.sqrt_eps_e):
            raise ValueError(
                f"the scale of physical moments is asked for, but {NO_SCALE}; chi less than 1, or mutual polarization, is accepted"
            )
        return self.sqrt_eps_e

    def multipole_moments(self, r: NDArray[np.float64], flows: PairFlows) -> NDArray[np.float64]:
        """Charge (e), dipole (e nm) and traceless quadrupole (e nm^2) of all atoms at r [N,3] (nm) together, [13]."""
        q = self.charges + self.induced_charges
        mu = self.dipoles + self.induced_dipoles
        quadrupole = np.einsum("i,ia,ib->ab", q, r, r) + np.einsum("ia,ib->ab", r, mu) + np.einsum("ia,ib->ab", mu, r)
        # With M[f] = ... + 1/2 Q : grad grad f an atom's Q is the second moment itself, so it simply adds.
        quadrupole = quadrupole + self.quadrupoles.sum(0)
        quadrupole -= np.eye(3) * np.trace(quadrupole) / 3
        dipole = flows.dipole_of_charges(self, r) + mu.sum(0)
        return np.concatenate([[q.sum()], dipole, quadrupole.ravel()])

    @classmethod
    def from_model_units(cls, values: Mapping[str, Any]) -> StepData:
        """From what the C++ side gives by name, in the model's units."""
        return cls(
            iterations=values["iterations"],
            fermi_levels=values["fermi_levels"] * units.ENERGY_TO_OPENMM,
            source_energy=values["source_energy"] * units.ENERGY_TO_OPENMM,
            sqrt_eps_e=values["field_scale"],
            local_charges=values["local_charges"] * CHARGES.to_openmm,
            induced_charges=values["induced_charges"] * CHARGES.to_openmm,
            induced_dipoles=values["induced_dipoles"] * DIPOLES.to_openmm,
            embedding_potential=values["embedding_potential"] * units.POTENTIAL_TO_OPENMM,
            embedding_field=values["embedding_field"] * units.FIELD_TO_OPENMM,
            gradients={moment.name: values[moment.gradient] * moment.gradient_to_openmm for moment in MOMENTS},
            **{moment.name: values[moment.name] * moment.to_openmm for moment in MOMENTS},
        )


@dataclass(frozen=True)
class PairFlows:
    """Charge that neighbours have exchanged at a Context's present positions (theory.md section 8), latent.

    A pair may stand there several times, of which it has the sum: PolarMPNet lists each pair from both of its atoms, with half
    of its values. No pairs: charges stay with their atoms.

    Attributes
    ----------
    pairs : array [P,2] of int
        Atoms i and j, in the order of the force's particles.
    vectors : array [P,3]
        d_ij = r_i - r_j between the images that are meant, nm.
    charges : array [P]
        t_ij, what j has given to i permanently, e.
    induced_charges : array [P]
        p_ij, what has flowed from j to i in response to potentials, e.
    conductances : array [P]
        f_ij, e^2/(kJ/mol).
    """

    pairs: NDArray[np.int32]
    vectors: NDArray[np.float64]
    charges: NDArray[np.float64]
    induced_charges: NDArray[np.float64]
    conductances: NDArray[np.float64]

    @classmethod
    def from_model_units(cls, values: Mapping[str, Any]) -> PairFlows:
        """From what the C++ side gives by name, in the model's units."""
        return cls(
            pairs=values["pairs"],
            vectors=values["vectors"] * units.LENGTH_TO_OPENMM,
            charges=values["charges"] * CHARGES.to_openmm,
            induced_charges=values["induced"] * CHARGES.to_openmm,
            conductances=values["conductances"] * SOFTNESS.to_openmm,
        )

    def received(self, n_atoms: int) -> NDArray[np.float64]:
        """What each atom has gained in response to potentials, sum_j p_ij [N] in e."""
        gained = np.bincount(self.pairs[:, 0], self.induced_charges, n_atoms)
        lost = np.bincount(self.pairs[:, 1], self.induced_charges, n_atoms)
        return np.asarray(gained - lost, dtype=np.float64)

    @property
    def dipole(self) -> NDArray[np.float64]:
        """sum (t_ij + p_ij) d_ij [3] in e nm, the part of charge that has moved in the polarization."""
        return (self.charges + self.induced_charges) @ self.vectors

    def dipole_of_charges(self, step: StepData, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The part of permanent and induced charges in the polarization, [3] in e nm.

        That is sum q0 r + sum (t + p) d, with the charges that softness induces among the q0.

        Parameters
        ----------
        step : StepData
            Of the same positions.
        positions : array [N,3]
            nm; not wrapped.
        """
        local = step.local_charges + step.induced_charges - self.received(len(positions))
        return local @ positions + self.dipole

    @property
    def polarizability(self) -> NDArray[np.float64]:
        """sum f_ij d_ij d_ij^T [3,3] in e^2 nm^2/(kJ/mol)."""
        return np.einsum("p,pa,pb->ab", self.conductances, self.vectors, self.vectors)
