"""A model as a calculator of ASE: relaxation, reaction paths, vibrations, and i-PI through ASE's socket client."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
import openmm
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray
from openmm import unit

from openmm_polarmp import units
from openmm_polarmp._extras import require_torch
from openmm_polarmp._polarizability import arms_of_softness, system_polarizability
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.models import ModelDescription

PLATFORMS = ("CPU", "Reference", "OpenCL", "CUDA")


class PolarMPCalculator(Calculator):
    """Energies, forces and electrical response of a model, evaluated by `PolarMPForce` in an OpenMM Context.

    Structures are periodic along all three axes or along none. The Context stays while the elements do, so that a
    relaxation or a run pays for it once.

    Parameters
    ----------
    model : str or path
        A model file or the name of a shipped model.
    charge : float, optional
        Total charge, e. By default that of each structure's ``info["total_charge"]``, which `polarmp train` and `label` read
        too, or 0 without one.
    multiplicity : int
        Spin multiplicity, for a model that sees it.
    precision : str
        ``"double"`` (default) or ``"single"``: of the network.
    accuracy : float
        Force error of the mesh over the root mean square force.
    eps_inf : float
        High-frequency dielectric constant, contained in dipoles, charges, Born charges and polarizabilities (theory.md
        section 6): 1 for molecules in vacuum.
    platform : str
        OpenMM's platform: ``"CPU"`` (default), ``"Reference"``, ``"OpenCL"`` or ``"CUDA"``.
    properties : dict of str, optional
        Of the platform, such as ``{"Threads": "2"}``.

    Notes
    -----
    Properties: energy and free_energy (eV; the energies of the single atoms included), forces (eV/A), stress (eV/A^3,
    Voigt order; needs the extra ``[torch]``), charges (e), dipole (e A, of structures that are not periodic),
    born_effective_charges (e, [N, 3, 3], row: polarization, column: displacement), polarizability (e^2 A^2/eV, [3, 3]; times
    14.3996 a volume in A^3).
    """

    implemented_properties = [  # noqa: RUF012  (ASE's own name, which it reads from the class)
        "energy",
        "free_energy",
        "forces",
        "stress",
        "charges",
        "dipole",
        "born_effective_charges",
        "polarizability",
    ]
    default_parameters: dict[str, Any] = {}  # noqa: RUF012
    nolabel = True

    def __init__(
        self,
        model: str | Path = "polarmp-water",
        *,
        charge: float | None = None,
        multiplicity: int = 1,
        precision: str = "double",
        accuracy: float = 1e-6,
        eps_inf: float = 1.0,
        platform: str = "CPU",
        properties: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        if platform not in PLATFORMS:
            raise ValueError(f"platform is {platform!r}; {', '.join(PLATFORMS)} are accepted")
        self.description = ModelDescription.find(model)
        self._model, self._platform, self._properties = model, platform, dict(properties or {})
        self._charge = charge
        self._options: dict[str, Any] = {"multiplicity": multiplicity, "precision": precision}
        self._accuracy, self._eps_inf = accuracy, eps_inf
        self._key: tuple[Any, ...] | None = None
        self._torch_model: Any = None

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute what is asked for (called by ASE)."""
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None  # ASE has made its copy of the structure
        atoms = self.atoms
        periodic = bool(atoms.pbc.all())
        if atoms.pbc.any() and not periodic:
            raise ValueError(f"pbc is {atoms.pbc.tolist()}; all three axes or none are accepted")
        for name in ("dipole", "stress"):
            if name in properties and periodic != (name == "stress"):
                raise PropertyNotImplementedError(f"{name}: structures that are {'not ' * periodic}periodic have one")
        rotation = self._place(atoms, periodic)
        state = self._context.getState(energy=True, forces=True)
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / units.ENERGY_TO_OPENMM
        forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces / units.FORCE_TO_OPENMM @ rotation}
        if "stress" in properties:
            self.results["stress"] = self._stress(atoms)
        if {"charges", "dipole"} & set(properties):
            self._add_moments(atoms, rotation, periodic)
        if "polarizability" in properties:
            self._add_polarizability(rotation)
        if "born_effective_charges" in properties:
            born = self._force.getBornEffectiveCharges(self._context)
            self.results["born_effective_charges"] = rotation.T @ born @ rotation

    def check_state(self, atoms: ase.Atoms, tol: float = 1e-15) -> list[str]:
        """What has changed since the last calculation (called by ASE, which does not look at ``info``).

        Parameters
        ----------
        atoms : ase.Atoms
        tol : float
            Difference of positions and box vectors (A) that counts as none.
        """
        changes = super().check_state(atoms, tol)
        if self.atoms is not None and self._total_charge(atoms) != self._total_charge(self.atoms):
            changes.append("total_charge")
        return changes

    def _total_charge(self, atoms: ase.Atoms) -> float:
        """Of a structure, e."""
        given, of_atoms = self._charge, atoms.info.get("total_charge")
        if given is not None and of_atoms is not None and abs(given - of_atoms) > 1e-6:
            raise ValueError(
                f"charge is {given:g}, but the structure's info has a total_charge of {of_atoms:g}; the same charge, or one of the two, "
                "is accepted"
            )
        charge = of_atoms if given is None else given
        return 0.0 if charge is None else float(charge)

    def _place(self, atoms: ase.Atoms, periodic: bool) -> NDArray[np.float64]:
        """Put atoms and box into the Context; returns the rotation from its axes, x_atoms = x_context @ rotation."""
        key = (tuple(atoms.numbers.tolist()), periodic, self._total_charge(atoms))
        if key != self._key:
            self._make_context(*key)
            self._key = key
        rotation = np.eye(3)
        if periodic:
            box, rotation = openmm_box(atoms.cell.array)
            self._context.setPeriodicBoxVectors(*(box * units.LENGTH_TO_OPENMM))
        self._context.setPositions(atoms.positions @ rotation.T * units.LENGTH_TO_OPENMM)
        return rotation

    def _make_context(self, numbers: tuple[int, ...], periodic: bool, charge: float) -> None:
        if len(numbers) == 0:
            raise ValueError("atoms is empty; at least one atom is accepted")
        system = openmm.System()
        for _ in numbers:
            system.addParticle(1.0)
        self._force = PolarMPForce(self._model, atomic_numbers=numbers, total_charge=charge, **self._options)
        self._force.setNonbondedMethod(PolarMPForce.PME if periodic else PolarMPForce.NoCutoff)
        self._force.setEwaldErrorTolerance(self._accuracy)
        self._force.setEpsInf(self._eps_inf)
        system.addForce(self._force)
        platform = openmm.Platform.getPlatformByName(self._platform)
        self._context = openmm.Context(system, openmm.VerletIntegrator(1e-3), platform, self._properties)

    def _add_moments(self, atoms: ase.Atoms, rotation: NDArray[np.float64], periodic: bool) -> None:
        """Physical charges, and the dipole of a structure that is not periodic, about the origin."""
        step = self._force.getStepData(self._context)
        charges = step.charges + step.induced_charges
        self.results["charges"] = step.field_scale * charges
        if not periodic:
            dipoles = (step.dipoles + step.induced_dipoles).sum(0) / units.DIPOLE_TO_OPENMM
            arms = arms_of_softness(self._force, step.softness, atoms.positions)
            of_charges = step.charges @ atoms.positions + step.induced_charges @ arms
            self.results["dipole"] = step.field_scale * (of_charges + dipoles @ rotation)

    def _add_polarizability(self, rotation: NDArray[np.float64]) -> None:
        scale = self._force.getStepData(self._context).field_scale
        positions = self._context.getState(positions=True).getPositions(asNumpy=True)._value
        polarizability = system_polarizability(self._force, self._context, positions) / units.POLARIZABILITY_TO_OPENMM
        self.results["polarizability"] = scale**2 * rotation.T @ polarizability @ rotation

    def _stress(self, atoms: ase.Atoms) -> NDArray[np.float64]:
        """Derivative of the energy by strain over the volume, by torch."""
        require_torch("the stress")
        import torch

        from openmm_polarmp.models import load_model
        from openmm_polarmp.neighbors import batched_pairs

        if self._torch_model is None:
            self._torch_model = load_model(self._model).double()
            self._torch_model.accuracy = self._accuracy
        model = self._torch_model
        positions, cell = torch.tensor(atoms.positions), torch.tensor(atoms.cell.array)
        strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
        deformation = torch.eye(3, dtype=torch.float64) + 0.5 * (strain + strain.T)
        energy = model.energy(
            positions @ deformation,
            torch.tensor(atoms.numbers, dtype=torch.long),
            cell @ deformation,
            edges=batched_pairs(positions, model.cutoff, cell),
            total_charge=self._total_charge(atoms),
            multiplicity=self._options["multiplicity"],
        )
        (gradient,) = torch.autograd.grad(energy, strain)
        return full_3x3_to_voigt_6_stress(gradient.numpy() / atoms.get_volume())


def openmm_box(cell: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same lattice as OpenMM wants it: lower triangular, reduced, with a positive diagonal.

    Parameters
    ----------
    cell : array [3, 3]
        Rows are the vectors; their order may be left-handed.

    Returns
    -------
    box, rotation : array [3, 3]
        x_cell = x_box @ rotation, a rotation or, for a left-handed cell, a rotation and a reflection.
    """
    if abs(np.linalg.det(cell)) < 1e-9:
        raise ValueError(f"cell is {cell.tolist()}; three vectors that span a volume are accepted")
    q, r = np.linalg.qr(np.asarray(cell).T)
    signs = np.sign(np.diag(r))
    box, rotation = r.T * signs, (q * signs).T
    for row, along in ((2, 1), (2, 0), (1, 0)):  # c by b and a, b by a
        box[row] -= box[along] * np.round(box[row, along] / box[along, along])
    return box, rotation
