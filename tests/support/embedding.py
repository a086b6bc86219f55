"""Multipoles among point charges: systems, and the sums of theory.md section 11 in torch with automatic differentiation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openmm
import torch
from numpy.typing import NDArray

from openmm_polarmp import PolarMPForce, units
from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy

from .systems import MOMENTS, Atoms, make_force, make_system


@dataclass(frozen=True)
class Embedded:
    """Atoms with moments, and charges (e) at `places` (A) around them."""

    atoms: Atoms
    places: NDArray
    charges: NDArray
    scale: float = 1.0
    kernel: str = "smeared"

    def as_atoms(self) -> Atoms:
        """All of it as atoms, of which the charges have no other moments and do not respond."""
        n = len(self.charges)
        moments = [getattr(self.atoms, name) for name in MOMENTS]
        return Atoms(
            np.concatenate([self.atoms.positions, self.places]),
            np.concatenate([self.atoms.charges, self.charges]),
            *(np.concatenate([m, np.zeros((n, *m.shape[1:]))]) for m in moments),
            cell=self.atoms.cell,
        )

    def force(self, tolerance: float = 5e-4) -> PolarMPForce:
        """The atoms are the first particles of the System, the charges the others."""
        n = len(self.atoms)
        force = make_force(self.atoms, tolerance)
        force.setParticles(range(n))
        force.setEmbeddingCharges(range(n, n + len(self.charges)), self.charges)
        force.setEmbeddingScale(self.scale)
        force.setEmbeddingKernel(self.kernel)
        return force

    @property
    def positions(self) -> NDArray:
        """Of all particles, nm."""
        return 0.1 * np.concatenate([self.atoms.positions, self.places])

    def context(self, platform, tolerance: float = 5e-4) -> tuple[openmm.Context, PolarMPForce]:
        force = self.force(tolerance)
        context = platform.context(make_system(len(self.positions), self.atoms.cell, force))
        context.setPositions(self.positions)
        return context, force


def random_charges(atoms: Atoms, n: int, charged: bool = False, seed: int = 7, **options) -> Embedded:
    """Charges anywhere in the atoms' box, or in a cube around a cluster."""
    rng = np.random.default_rng(seed)
    if atoms.cell is None:
        low, high = atoms.positions.min(0) - 3, atoms.positions.max(0) + 3
        places = low + rng.random((n, 3)) * (high - low)
    else:
        places = rng.random((n, 3)) @ atoms.cell
    charges = 0.5 * rng.normal(size=n)
    return Embedded(atoms, places, charges if charged else charges - charges.mean(), **options)


def dense(system: Embedded) -> tuple[float, NDArray, NDArray, NDArray]:
    """Energy, forces on all particles, potential and field of the charges at the atoms, in OpenMM's units."""
    atoms = system.atoms
    r, places = (torch.tensor(x, requires_grad=True) for x in (atoms.positions, system.places))
    charges = system.scale * torch.tensor(system.charges)
    width = atoms.sigma * (np.sqrt(0.5) if system.kernel == "point" else 1)
    potential = (
        _cluster_potential(places, charges, width)
        if atoms.cell is None
        else _lattice_potential(places, charges, width, torch.tensor(atoms.cell))
    )
    phi = potential(r)
    gradient = _gradient(phi, r)
    second = torch.stack([_gradient(gradient[:, a], r) for a in range(3)], 1)
    moments = {m: torch.tensor(getattr(atoms, m)) for m in ("charges", *MOMENTS) if getattr(atoms, m) is not None}
    permanent = Multipoles(**{m: v for m, v in moments.items() if m not in ("softness", "polarizability")})
    cell = None if atoms.cell is None else torch.tensor(atoms.cell)
    result = electrostatic_energy(
        r, permanent, cell, sigma=atoms.sigma, accuracy=1e-14, method="direct" if cell is None else "ewald"
    )
    energy = result.energy.sum() + (moments["charges"] * phi).sum()
    if "dipoles" in moments:
        energy = energy + (moments["dipoles"] * gradient).sum()
    if "quadrupoles" in moments:
        Q = moments["quadrupoles"]
        Q = 0.5 * (Q + Q.mT) - torch.eye(3) * torch.einsum("iaa->i", Q)[:, None, None] / 3
        energy = energy + 0.5 * (Q * second).sum()
    felt, field = result.potential + phi, result.field - gradient
    if "softness" in moments:
        energy = energy - 0.5 * (moments["softness"] * felt**2).sum()
    if "polarizability" in moments:
        energy = energy - 0.5 * torch.einsum("ia,iab,ib->", field, moments["polarizability"], field)
    forces = -torch.cat(torch.autograd.grad(energy, [r, places])).numpy() * units.FORCE_TO_OPENMM
    return (
        energy.item() * units.ENERGY_TO_OPENMM,
        forces,
        phi.detach().numpy() * units.POTENTIAL_TO_OPENMM,
        -gradient.detach().numpy() * units.FIELD_TO_OPENMM,
    )


def _gradient(values, points):
    """Of values [N] that depend on their own point alone, [N,3]."""
    (result,) = torch.autograd.grad(values.sum(), points, create_graph=True)
    return result


def _cluster_potential(places, charges, width):
    def potential(x):
        r = (x[:, None] - places).square().sum(2).sqrt()
        return units.COULOMB * (torch.erf(r / (np.sqrt(2) * width)) / r) @ charges

    return potential


def _lattice_potential(places, charges, width, cell):
    """The sum over reciprocal lattice vectors up to where its terms are 1e-16 of the first."""
    reciprocal = 2 * np.pi * torch.linalg.inv(cell).mT
    k_max = 8.6 / width
    limits = [int(k_max * cell[d].norm() / (2 * np.pi)) for d in range(3)]
    n = torch.cartesian_prod(*(torch.arange(-m, m + 1, dtype=cell.dtype) for m in limits))
    k = n @ reciprocal
    k2 = k.square().sum(1)
    inside = (k2 > 0) & (k2 < k_max**2)
    k, k2 = k[inside], k2[inside]
    weight = 4 * np.pi * units.COULOMB * torch.exp(-0.5 * width**2 * k2) / k2 / cell.det().abs()
    phase = places @ k.T
    real, imaginary = charges @ phase.cos(), charges @ phase.sin()

    def potential(x):
        at = x @ k.T
        return at.cos() @ (weight * real) + at.sin() @ (weight * imaginary)

    return potential
