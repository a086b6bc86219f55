"""Random atoms with random moments, and what to do with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from openmm_polarmp import FixedMultipoles, PolarMPForce
from openmm_polarmp.step_data import StepData

CUBIC = np.eye(3)
ORTHORHOMBIC = np.diag([1.0, 0.8, 1.3])
# Near the limit of what OpenMM accepts: |b_x| and |c_x| up to half of a_x, |c_y| up to half of b_y.
TRICLINIC = np.array([[1.0, 0, 0], [0.45, 0.9, 0], [-0.48, 0.42, 1.1]])
MOMENTS = ("dipoles", "quadrupoles", "softness", "polarizability")


@dataclass(frozen=True)
class Atoms:
    """Positions and box in A, moments in model units."""

    positions: NDArray
    charges: NDArray
    dipoles: NDArray | None = None
    quadrupoles: NDArray | None = None
    softness: NDArray | None = None
    polarizability: NDArray | None = None
    cell: NDArray | None = None
    sigma: float = 1.0

    def __len__(self) -> int:
        return len(self.charges)

    def without(self, *moments: str) -> Atoms:
        return replace(self, **dict.fromkeys(moments))

    def reordered(self, order: NDArray) -> Atoms:
        members = {m: getattr(self, m) for m in ("positions", "charges", *MOMENTS)}
        return replace(self, **{m: None if v is None else v[order] for m, v in members.items()})

    def moments(self) -> FixedMultipoles:
        return FixedMultipoles(self.charges, self.dipoles, self.quadrupoles, self.softness, self.polarizability)


def random_atoms(
    n: int,
    shape: NDArray | None = CUBIC,
    *,
    charged: bool = False,
    scalar_alpha: bool = False,
    sigma: float = 1.0,
    seed: int = 0,
) -> Atoms:
    """Overlapping atoms at 0.1 per A^3 (times 1/sigma^3) with all moments; `shape` is a box up to its size, None: a cluster."""
    rng = np.random.default_rng(seed + n)
    # A box narrower than 6 sigma would hold an atom's images within its own width.
    length = max((n / 0.1) ** (1 / 3), 7.0) * sigma
    frame = CUBIC if shape is None else shape / np.linalg.det(shape) ** (1 / 3)
    charges = 0.5 * rng.normal(size=n)
    if not charged:
        charges -= charges.mean()
    A = 0.3 * rng.normal(size=(n, 3, 3))
    return Atoms(
        positions=rng.random((n, 3)) @ (frame * length),
        charges=charges,
        dipoles=0.3 * rng.normal(size=(n, 3)) * sigma,
        quadrupoles=0.3 * rng.normal(size=(n, 3, 3)) * sigma**2,
        softness=0.02 * rng.random(n) * sigma,
        polarizability=0.05 * rng.random(n) * sigma**3 if scalar_alpha else 0.3 * A @ A.transpose(0, 2, 1) * sigma**3,
        cell=None if shape is None else frame * length,
        sigma=sigma,
    )


def make_force(atoms: Atoms, tolerance: float = 5e-4) -> PolarMPForce:
    force = PolarMPForce(atoms.moments())
    force.setSigma(atoms.sigma * unit.angstrom)
    force.setNonbondedMethod(PolarMPForce.NoCutoff if atoms.cell is None else PolarMPForce.PME)
    force.setEwaldErrorTolerance(tolerance)
    return force


def constrained_force(
    atoms: Atoms,
    charge: float | list[float] | None = None,
    groups: list[list[int]] | None = None,
    tolerance: float = 5e-4,
    epsilon: float = 1e-12,
) -> PolarMPForce:
    """With mutual response and given total charges."""
    force = make_force(atoms, tolerance)
    force.setPolarizationType(PolarMPForce.Mutual)
    force.setMutualInducedTargetEpsilon(epsilon)
    force.setTotalChargeConstraint(charge, groups)
    return force


def sums_of_groups(data: StepData, groups: list[list[int]] | None) -> list[float]:
    """Permanent and induced charges, summed over groups of the force's particles or over all of them."""
    charges = data.charges + data.induced_charges
    return [charges.sum()] if groups is None else [charges[group].sum() for group in groups]


def make_system(n: int, cell: NDArray | None, *forces: openmm.Force) -> openmm.System:
    system = openmm.System()
    for _ in range(n):
        system.addParticle(18.0)
    if cell is not None:
        system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*(0.1 * v)) for v in cell))
    for force in forces:
        system.addForce(force)
    return system


def force_in(system: openmm.System) -> PolarMPForce:
    """The one PolarMPForce of a System."""
    (force,) = (PolarMPForce.cast(f) for f in system.getForces() if PolarMPForce.isinstance(f))
    return force


def energy_and_forces(context: openmm.Context) -> tuple[float, NDArray]:
    """kJ/mol and kJ/mol/nm"""
    state = context.getState(energy=True, forces=True)
    forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
    return state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole), np.array(forces)


def evaluate(atoms: Atoms, platform, tolerance: float = 5e-4, force: PolarMPForce | None = None):
    """Energy, forces, the force object and the Context."""
    force = force or make_force(atoms, tolerance)
    n = len(atoms)
    positions = 0.1 * atoms.positions
    if n == 1 and platform.name == "OpenCL":
        # OpenMM itself crashes on PoCL with an empty System of one particle: add a bystander.
        force.setParticles([0])
        positions = np.vstack([positions, np.zeros(3)])
    context = platform.context(make_system(len(positions), atoms.cell, force))
    context.setPositions(positions)
    energy, forces = energy_and_forces(context)
    return energy, forces[:n], force, context


def rms(x: NDArray) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def relative_error(value: NDArray, reference: NDArray) -> float:
    """rms of the difference over the rms: what the error tolerance of the force means."""
    return rms(value - reference) / rms(reference)


def water_like_atoms(per_edge: int = 3, seed: int = 0) -> Atoms:
    """Molecules near a lattice, turned at random, at the density of water, with moments that follow the molecule."""
    rng = np.random.default_rng(seed)
    length = 3.1 * per_edge
    places = np.stack(np.meshgrid(*[np.arange(per_edge)] * 3), -1).reshape(-1, 3) * 3.1
    oxygens = places + 0.2 * rng.normal(size=places.shape)
    axes = np.linalg.qr(rng.normal(size=(len(oxygens), 3, 3)))[0]
    bonds = np.stack([0.586 * axes[:, 0] + 0.757 * axes[:, 1], 0.586 * axes[:, 0] - 0.757 * axes[:, 1]], axis=1)
    positions = np.concatenate([oxygens[:, None], oxygens[:, None] + bonds], axis=1).reshape(-1, 3)
    is_oxygen = np.arange(len(positions)) % 3 == 0
    unit_bonds = bonds / np.linalg.norm(bonds, axis=2, keepdims=True)
    axial = unit_bonds[..., :, None] * unit_bonds[..., None, :] - np.eye(3) / 3
    return Atoms(
        positions=positions,
        charges=np.where(is_oxygen, -0.8, 0.4),
        dipoles=np.concatenate([0.1 * bonds.sum(1, keepdims=True), -0.1 * bonds], axis=1).reshape(-1, 3),
        quadrupoles=np.concatenate([0.3 * axial.sum(1, keepdims=True), 0.1 * axial], axis=1).reshape(-1, 3, 3),
        softness=np.where(is_oxygen, 0.02, 0.01),
        polarizability=np.where(is_oxygen, 0.05, 0.01),
        cell=length * np.eye(3),
    )
