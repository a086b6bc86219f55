"""The potential of smeared multipoles at the atoms: pair sums, meshes, own-atom and surface terms (theory.md section 2)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_polarmp.electrostatics._basis import gather, spread
from openmm_polarmp.electrostatics._lattice import inverse_and_volume
from openmm_polarmp.electrostatics._multi_index import coefficients_of, components, count, matrices
from openmm_polarmp.electrostatics._pair_potential import pair_potential
from openmm_polarmp.electrostatics.boundary import surface_potential
from openmm_polarmp.electrostatics.multipoles import Multipoles, traceless
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan, PeriodicGroup
from openmm_polarmp.electrostatics.potentials import Potentials
from openmm_polarmp.units import COULOMB

_SELF = COULOMB * math.sqrt(2 / math.pi)
"""k_e sqrt(2/pi), the prefactor of every own-atom term."""


@dataclass(frozen=True)
class Moments:
    """Charges [N] in e, dipoles [N, 3] in e A and traceless quadrupoles [N, 3, 3] in e A^2."""

    charges: Tensor
    dipoles: Tensor | None = None
    quadrupoles: Tensor | None = None

    @classmethod
    def of(cls, multipoles: Multipoles) -> "Moments":
        """The permanent moments."""
        return cls(multipoles.charges, multipoles.dipoles, multipoles.traceless_quadrupoles())

    @property
    def order(self) -> int:
        """Highest order of derivative that they take."""
        return 2 if self.quadrupoles is not None else 1 if self.dipoles is not None else 0

    def __getitem__(self, atoms: Tensor | slice) -> "Moments":
        """The moments of some atoms."""
        values = (self.charges, self.dipoles, self.quadrupoles)
        return Moments(*(None if value is None else value[atoms] for value in values))  # type: ignore[arg-type]

    def coefficients(self, basis: Tensor | None = None, atoms: Tensor | None = None) -> Tensor:
        """Coefficients of derivatives with respect to r or, with basis = du/dr [n, 3, 3], with respect to u."""
        chosen = self if atoms is None else self[atoms]
        q, mu, Q = chosen.charges, chosen.dipoles, chosen.quadrupoles
        if basis is not None:
            mu = None if mu is None else (mu[:, None, :] @ basis)[:, 0]
            Q = None if Q is None else basis.transpose(1, 2) @ Q @ basis
        return coefficients_of(q, mu, Q)

    def own_derivatives(self, sigma: float, order: int) -> Tensor:
        """Potential, gradient and traceless second derivatives of each atom's own multipole where it is, [N, count(order)]."""
        n = len(self.charges)
        columns = [_SELF / sigma * self.charges[:, None]]
        zeros = self.charges.new_zeros
        columns.append(zeros(n, 3) if self.dipoles is None else _SELF / (3 * sigma**3) * self.dipoles)
        if order == 2:
            own = None if self.quadrupoles is None else _SELF / (5 * sigma**5) * components(self.quadrupoles)
            columns.append(zeros(n, 6) if own is None else own)
        return torch.cat(columns, 1)

    def own_energy(self, sigma: float) -> Tensor:
        """U_self of every atom, [N]."""
        squares = self.charges**2 / sigma
        if self.dipoles is not None:
            squares = squares + (self.dipoles**2).sum(1) / (3 * sigma**3)
        if self.quadrupoles is not None:
            squares = squares + (self.quadrupoles**2).sum((1, 2)) / (10 * sigma**5)
        return _SELF / 2 * squares


def permanent_potential(
    positions: Tensor, moments: Moments, cells: Tensor | None, plan: ElectrostaticPlan, order: int = 1
) -> tuple[Tensor, Potentials]:
    """U_perm [B] in eV of multipoles, and what they make each other feel; with ``order`` 2 up to the curvature."""
    energy = positions.new_zeros(plan.num_structures)
    derivatives = positions.new_zeros(plan.num_atoms, count(order))
    if plan.pairs is not None:
        coefficients = moments.coefficients()
        of_pairs = pair_potential(positions, coefficients, plan.pairs, max(order, moments.order), moments.order)
        energy = energy + plan.per_structure((coefficients * of_pairs[:, : count(moments.order)]).sum(1)) / 2
        derivatives = of_pairs[:, : count(order)]
    for group in plan.groups:
        assert cells is not None, "the plan has checked that there is a cell"
        chosen = slice(None) if group.atoms is None else group.atoms
        group_energy, in_group = _reciprocal(positions, moments, cells, group, order)
        in_group = in_group - moments[chosen].own_derivatives(plan.sigma, order)
        energy = energy.index_add(0, group.structures, group_energy)
        energy = energy.index_add(0, plan.batch[chosen], -moments.own_energy(plan.sigma)[chosen])
        if plan.boundary != "conducting":
            chosen_cells = cells[group.structures]
            surface_energy, surface = surface_potential(
                plan.boundary,
                positions[chosen],
                moments[chosen],
                inverse_and_volume(chosen_cells)[1],
                chosen_cells[:, 2, 2],
                plan.sigma,
                group.structure,
            )
            energy = energy.index_add(0, group.structures, surface_energy)
            in_group = in_group + surface[:, : count(order)]
        derivatives = in_group if group.atoms is None else derivatives.index_add(0, group.atoms, in_group)
    curvature = traceless(matrices(derivatives[:, 4:])) if order == 2 else None
    return energy, Potentials(derivatives[:, 0], derivatives[:, 1:4], curvature)


def _reciprocal(
    positions: Tensor, moments: Moments, cells: Tensor, group: PeriodicGroup, order: int
) -> tuple[Tensor, Tensor]:
    """Reciprocal sum of a group of boxes, with the own-atom parts: energy [b], and derivatives of Phi [n, count(order)]."""
    inverse, volume = inverse_and_volume(group.reduction @ cells[group.structures])
    scale = torch.tensor(group.basis.scale, dtype=positions.dtype, device=positions.device)
    inverse_of_atom = inverse[group.structure]
    r = positions if group.atoms is None else positions[group.atoms]
    fractional = (r[:, None, :] @ inverse_of_atom)[:, 0]
    u = (fractional - torch.floor(fractional)) * scale
    basis = inverse_of_atom * scale  # du/dr
    amplitudes = spread(u, moments.coefficients(basis, group.atoms), group.basis, moments.order)
    potential = group.basis.potential(amplitudes, inverse, volume)
    energy = group.basis.energy(amplitudes, potential)
    by_u = gather(u, potential, group.basis, order)
    columns = [by_u[:, :1], (basis @ by_u[:, 1:4, None])[:, :, 0]]
    if order == 2:
        columns.append(components(basis @ matrices(by_u[:, 4:]) @ basis.transpose(1, 2)))
    return energy, torch.cat(columns, 1)
