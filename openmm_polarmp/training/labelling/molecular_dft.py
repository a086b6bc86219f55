"""Labels of clusters by density functionals, through PySCF.

Two-electron integrals are fitted with auxiliary functions, which changes relative energies by less than a meV an atom. Born charges
and polarizabilities are central differences of forces and dipoles in a uniform field.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

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
    whole_charge,
)

TOLERANCE, RESPONSE_TOLERANCE = 1e-9, 1e-11
"""Hartree, of the energy in the self-consistent iterations."""
GRID = 3
"""PySCF's level of the integration grid."""
LAST_WITHOUT_ECP = 36
"""Krypton: in the basis sets def2 an effective potential replaces the cores of heavier atoms."""


class _Point(NamedTuple):
    """Results in atomic units, and the density matrix to begin the next calculation with."""

    energy: float
    forces: NDArray[np.float64]
    dipole: NDArray[np.float64]
    density: NDArray[np.float64]


class PySCFMethod:
    """Kohn-Sham (or, with functional ``hf``, Hartree-Fock) calculations of clusters.

    An odd number of electrons is a doublet unless ``info["multiplicity"]`` tells another one.

    Parameters
    ----------
    functional : str
        PySCF's name of it, with ``-d3bj`` or ``-d4`` at its end for dispersion: ``pbe0-d4``.
    basis : str
        PySCF's name of the basis set.
    """

    atoms_at_once = 0

    def __init__(self, functional: str, basis: str) -> None:
        try:
            version = f"pyscf {importlib.metadata.version('pyscf')}"
            if re.search(r"-d[34]", functional.lower()):
                version += f", pyscf-dispersion {importlib.metadata.version('pyscf-dispersion')}"
        except importlib.metadata.PackageNotFoundError as error:
            raise ImportError(
                f"labels of pyscf:{functional}/{basis} need {error.name}, not installed here: pip install 'openmm-polarmp[dft]'"
            ) from error
        self.functional, self.basis = functional, basis
        settings: dict[str, str | float | int] = {
            "basis": basis,
            "grid": GRID,
            "tolerance": TOLERANCE,
            "density fitting": "yes",
        }
        self.provenance = Provenance(functional, version, settings)
        self._check_names()

    def calculate(self, frames: Sequence[ase.Atoms], response: bool) -> list[Labels | NotConverged]:
        """As in `Method`; boxes are not accepted."""
        if any(frame.pbc.any() for frame in frames):
            raise ValueError("a frame is periodic; clusters are accepted by pyscf:FUNCTIONAL/BASIS")
        check_response(frames, response)
        return one_by_one(frames, lambda frame: self._labels(frame, response))

    def _check_names(self) -> None:
        from pyscf import dft, gto

        try:
            gto.M(atom="H", basis=self.basis, spin=1, verbose=0)
        except Exception as error:  # PySCF has many kinds of them
            raise ValueError(f"basis is {self.basis!r}; names that PySCF knows for hydrogen are accepted") from error
        try:
            name = re.sub(r"-d[34]\w*$", "", self.functional.lower())
            if name != "hf":
                dft.libxc.parse_xc(name)
        except Exception as error:
            raise ValueError(f"functional is {self.functional!r}; names that PySCF knows are accepted") from error

    def _labels(self, frame: ase.Atoms, response: bool) -> Labels:
        point = self._point(frame)

        def in_field(field: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            return self._point(frame, field, point.density)[1:3]

        born, alpha = response_by_field(in_field) if response else (None, None)
        return Labels(
            point.energy * Hartree,
            point.forces * Hartree / Bohr,
            dipole=point.dipole * Bohr,
            born_charges=born,
            polarizability=alpha,
        )

    def _point(
        self, frame: ase.Atoms, field: NDArray[np.float64] | None = None, density: NDArray[np.float64] | None = None
    ) -> _Point:
        """One calculation in a uniform field, hartree/(e bohr)."""
        solver = self._solver(frame)
        if field is not None:
            solver.conv_tol = RESPONSE_TOLERANCE
            _add_field(solver, field)
        try:
            energy = float(solver.kernel(dm0=density))
        except (np.linalg.LinAlgError, RuntimeError, ValueError) as error:  # atoms on top of each other
            raise NotConverged(str(error).strip() or type(error).__name__) from error
        if not solver.converged:
            raise NotConverged(f"no self-consistent solution within {solver.max_cycle} iterations")
        gradients = solver.nuc_grad_method()
        if field is not None:
            _add_field_to_gradient(gradients, field)
        forces = -np.asarray(gradients.kernel())
        if field is not None:
            forces = forces + solver.mol.atom_charges()[:, None] * field
        dipole = np.asarray(solver.dip_moment(unit="AU", verbose=0))
        return _Point(energy, forces, dipole, solver.make_rdm1())

    def _solver(self, frame: ase.Atoms) -> Any:
        from pyscf import dft, gto, scf

        electrons = int(frame.numbers.sum()) - whole_charge(frame)
        multiplicity = int(frame.info.get("multiplicity", 1 + electrons % 2))
        if (electrons + multiplicity) % 2 == 0:
            raise ValueError(
                f"multiplicity is {multiplicity} for {electrons} electrons; one that goes with their number is accepted"
            )
        atoms = list(zip(frame.get_chemical_symbols(), frame.positions.tolist(), strict=True))
        heavy = {
            symbol: self.basis for symbol, z in zip(frame.symbols, frame.numbers, strict=True) if z > LAST_WITHOUT_ECP
        }
        molecule = gto.M(
            atom=atoms,
            basis=self.basis,
            ecp=heavy if self.basis.lower().startswith("def2") else {},
            charge=whole_charge(frame),
            spin=multiplicity - 1,
            verbose=0,
        )
        solver = scf.HF(molecule) if self.functional.lower() == "hf" else dft.KS(molecule, xc=self.functional)
        if hasattr(solver, "grids"):
            solver.grids.level = GRID
        solver = solver.density_fit()
        solver.conv_tol = TOLERANCE
        return solver


def _add_field(solver: Any, field: NDArray[np.float64]) -> None:
    """The electrons' energy E.r in the one-electron Hamiltonian; that of the nuclei does not change the density."""
    with solver.mol.with_common_orig((0.0, 0.0, 0.0)):
        positions = solver.mol.intor_symmetric("int1e_r", comp=3)
    hamiltonian = solver.get_hcore() + np.einsum("a,aij->ij", field, positions)
    solver.get_hcore = lambda *_: hamiltonian


def _add_field_to_gradient(gradients: Any, field: NDArray[np.float64]) -> None:
    """The derivatives of E.r with respect to the centres of the basis functions."""
    molecule, without = gradients.mol, gradients.get_hcore
    count = molecule.nao
    with molecule.with_common_orig((0.0, 0.0, 0.0)):
        integrals = molecule.intor("int1e_irp", comp=9).reshape(3, 3, count, count)  # <i| r_a d_b |j>
    correction = -np.einsum("a,abij->bji", field, integrals)
    gradients.get_hcore = lambda mol=None: without(mol) + correction
