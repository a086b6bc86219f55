"""The electrostatic energy of atomic multipoles with induced charges and dipoles (theory.md sections 2, 3 and 6)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_polarmp.electrostatics._basis import gather, spread
from openmm_polarmp.electrostatics._checks import check_atoms, check_field, check_values
from openmm_polarmp.electrostatics._lattice import inverse_and_volume
from openmm_polarmp.electrostatics._multi_index import coefficients_of, count
from openmm_polarmp.electrostatics._pair_potential import pair_potential
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan, PeriodicGroup
from openmm_polarmp.units import COULOMB

_SELF = COULOMB * math.sqrt(2 / math.pi)
"""k_e sqrt(2/pi), the prefactor of every own-atom term."""


@dataclass
class ElectrostaticResult:
    """Energies, potentials, fields and induced moments, all latent (theory.md section 6) and differentiable.

    Attributes
    ----------
    energy : Tensor [B], or a scalar without a batch
        U_perm + U_ind, with the terms of the external field, eV.
    potential : Tensor [N]
        Phi' of the permanent multipoles at the atoms, V: without the atom's own contribution (but with that of its images in
        a box), and without the external field.
    field : Tensor [N, 3]
        E' = -grad Phi', V/A.
    induced_charges : Tensor [N]
        dq, with the effect of the external field, e; zeros without softness and flows.
    induced_dipoles : Tensor [N, 3]
        dmu, with the effect of the external field, e A; zeros without polarizability.
    scaling : Tensor [B], or a scalar without a batch
        s = sqrt(eps_e): physical moments are s times the latent ones, and a field E0 acts as s E0. A constant without
        gradient.
    induced_flows : Tensor [P] or None
        p_ij of the pairs of `Flows`, with the effect of the external field, e; None without flows.
    """

    energy: Tensor
    potential: Tensor
    field: Tensor
    induced_charges: Tensor
    induced_dipoles: Tensor
    scaling: Tensor
    induced_flows: Tensor | None = None


def electrostatic_energy(
    positions: Tensor,
    multipoles: Multipoles,
    cell: Tensor | None = None,
    *,
    batch: Tensor | None = None,
    pbc: Tensor | bool | None = None,
    sigma: float = 1.0,
    accuracy: float = 1e-6,
    k_max: float | None = None,
    method: str = "auto",
    external_field: Tensor | None = None,
    eps_inf: float | Tensor = 1.0,
    plan: ElectrostaticPlan | None = None,
) -> ElectrostaticResult:
    """Energy of smeared charges, dipoles and quadrupoles, and of the charges and dipoles that they induce.

    Forces, moment gradients, stress and their derivatives come from autograd, to any order. The virial is
    ``positions.T @ dU/dpositions + sum_b cell_b.T @ dU/dcell_b``; over the volume it is the stress.

    Parameters
    ----------
    positions : Tensor [N, 3]
        A; wrapped or not.
    multipoles : Multipoles
        In e, e A, e A^2, e^2/eV, e^2 A^2/eV.
    cell : Tensor [3, 3] or [B, 3, 3], optional
        Rows are the box vectors, A, of any shape and handedness. A single cell is that of all structures. The cell of a
        structure that is not periodic has no meaning.
    batch : Tensor [N], optional
        Structure of each atom, in any order. All clusters, and all boxes with meshes of the same shape, are evaluated
        together; boxes with other meshes, and the dense sums, one after the other.
    pbc : bool or Tensor [B] of bool, optional
        Which structures are periodic (in all three directions); by default all if there is a cell, none otherwise.
    sigma : float
        Width of the pair kernel k_e erf(r/(sqrt(2) sigma))/r, A.
    accuracy : float
        Force error over the rms force in boxes, 1e-14 to 0.1; for 'pme' at least that of the strictest row of the mesh
        table.
    k_max : float, optional
        Hard cutoff of the reciprocal sum instead of a converged one, 1/A, to reproduce a model that was trained with it
        (boxes only). The energy then jumps when the box changes.
    method : str
        'direct': pair sum, for clusters. 'ewald': dense reciprocal sum. 'pme': particle mesh. 'auto': 'direct' for
        clusters, and for a box the cheaper of the other two. Clusters in a batch with boxes are always summed directly.
    external_field : Tensor [3] or [B, 3], optional
        Uniform physical field E0, V/A; it acts as the latent field s E0 (theory.md section 6). Its energy -q.r depends on
        the positions: in a box they should be unwrapped, and where charges depend on the surroundings and do not come
        from flows the true force is that of `born_effective_charges`. The field acts through the softness in clusters
        only, through flows in boxes too.
    eps_inf : float or Tensor [B]
        Optical dielectric constant of the medium. eps_e is eps_inf for clusters and eps_inf / (1 + chi) for boxes with
        polarizability.
    plan : ElectrostaticPlan, optional
        Prepared sizes for repeated calls, instead of batch, pbc, sigma, accuracy, k_max and method; input values are then
        not checked.
    """
    check_atoms(positions, multipoles)
    if plan is None:
        if not torch.compiler.is_compiling():
            check_values(positions, multipoles, external_field)
        plan = ElectrostaticPlan(
            positions, cell, batch=batch, pbc=pbc, sigma=sigma, accuracy=accuracy, k_max=k_max, method=method
        )
    else:
        plan.check_sizes(positions, cell)
        plan.check_options(batch=batch, pbc=pbc, sigma=sigma, accuracy=accuracy, k_max=k_max, method=method)
    cells = None if cell is None else cell.expand(plan.num_structures, 3, 3)

    moments = _Moments(multipoles)
    energy, potential, gradient = _permanent(positions, moments, cells, plan)
    field = -gradient

    scaling = screening(multipoles, cells, plan, eps_inf)
    acting_potential, acting_field, at_atoms = potential, field, None
    flows = multipoles.flows
    if external_field is not None:
        latent_field = scaling[:, None] * check_field("external_field", external_field, positions, plan.num_structures)
        at_atoms = latent_field[plan.batch]
        if flows is None:
            dipole = moments.charges[:, None] * positions
        else:
            dipole = flows.local_charges[:, None] * positions + flows.dipoles(flows.charges)
        if moments.dipoles is not None:
            dipole = dipole + moments.dipoles
        energy = energy - plan.per_structure((at_atoms * dipole).sum(1))
        acting_field = field + at_atoms
        if multipoles.softness is not None:
            acting_potential = potential - _applied_potential(positions, multipoles.softness, at_atoms, plan)

    induced_charges = torch.zeros_like(potential)
    induced_dipoles = torch.zeros_like(field)
    if multipoles.softness is not None:
        induced_charges = -multipoles.softness * acting_potential
        energy = energy + plan.per_structure(induced_charges * acting_potential) / 2
    induced_flows = None
    if flows is not None:
        drops = flows.drops(potential, at_atoms)
        induced_flows = flows.induced(drops)
        induced_charges = induced_charges + flows.received(induced_flows)
        structure = plan.batch.index_select(0, flows.pairs[0])
        energy = energy.index_add(0, structure, induced_flows * drops / 2)
    if multipoles.polarizability is not None:
        induced_dipoles = multipoles.induced_dipoles(acting_field)
        energy = energy - plan.per_structure((induced_dipoles * acting_field).sum(1)) / 2

    if not plan.batched:
        energy, scaling = energy[0], scaling[0]
    return ElectrostaticResult(energy, potential, field, induced_charges, induced_dipoles, scaling, induced_flows)


class _Moments:
    """q, mu and the traceless part of Q, and the highest order of derivative that they take."""

    def __init__(self, multipoles: Multipoles):
        self.charges = multipoles.charges
        self.dipoles = multipoles.dipoles
        self.quadrupoles = multipoles.traceless_quadrupoles()
        self.order = 2 if self.quadrupoles is not None else 1 if self.dipoles is not None else 0

    def coefficients(self, basis: Tensor | None = None, atoms: Tensor | None = None) -> Tensor:
        """Coefficients of derivatives with respect to r or, with basis = du/dr [n, 3, 3], with respect to u."""
        q, mu, Q = self.charges, self.dipoles, self.quadrupoles
        if atoms is not None:
            q, mu, Q = q[atoms], None if mu is None else mu[atoms], None if Q is None else Q[atoms]
        if basis is not None:
            mu = None if mu is None else (mu[:, None, :] @ basis)[:, 0]
            Q = None if Q is None else basis.transpose(1, 2) @ Q @ basis
        return coefficients_of(q, mu, Q)

    def own_energy(self, sigma: float) -> Tensor:
        """U_self of every atom, [N]."""
        squares = self.charges**2 / sigma
        if self.dipoles is not None:
            squares = squares + (self.dipoles**2).sum(1) / (3 * sigma**3)
        if self.quadrupoles is not None:
            squares = squares + (self.quadrupoles**2).sum((1, 2)) / (10 * sigma**5)
        return _SELF / 2 * squares


def _permanent(
    positions: Tensor, moments: _Moments, cells: Tensor | None, plan: ElectrostaticPlan
) -> tuple[Tensor, Tensor, Tensor]:
    """U_perm [B], Phi' [N] and grad Phi' [N, 3]."""
    energy = positions.new_zeros(plan.num_structures)
    potential = positions.new_zeros(plan.num_atoms)
    gradient = positions.new_zeros(plan.num_atoms, 3)
    if plan.pairs is not None:
        coefficients = moments.coefficients()
        derivatives = pair_potential(positions, coefficients, plan.pairs, max(1, moments.order), moments.order)
        energy = energy + plan.per_structure((coefficients * derivatives[:, : count(moments.order)]).sum(1)) / 2
        potential, gradient = derivatives[:, 0], derivatives[:, 1:4]
    for group in plan.groups:
        assert cells is not None, "the plan has checked that there is a cell"
        group_energy, derivatives = _reciprocal(positions, moments, cells, group)
        energy = energy.index_add(0, group.structures, group_energy)
        chosen = slice(None) if group.atoms is None else group.atoms
        energy = energy.index_add(0, plan.batch[chosen], -moments.own_energy(plan.sigma)[chosen])
        group_potential = derivatives[:, 0] - _SELF / plan.sigma * moments.charges[chosen]
        group_gradient = derivatives[:, 1:]
        if moments.dipoles is not None:
            group_gradient = group_gradient - _SELF / (3 * plan.sigma**3) * moments.dipoles[chosen]
        if group.atoms is None:
            potential, gradient = group_potential, group_gradient
        else:
            potential = potential.index_add(0, group.atoms, group_potential)
            gradient = gradient.index_add(0, group.atoms, group_gradient)
    return energy, potential, gradient


def _reciprocal(positions: Tensor, moments: _Moments, cells: Tensor, group: PeriodicGroup) -> tuple[Tensor, Tensor]:
    """Reciprocal sum of a group of boxes, with the own-atom parts: energy [b], and Phi and its gradient [n, 4]."""
    inverse, volume = inverse_and_volume(group.reduction @ cells[group.structures])
    scale = torch.tensor(group.basis.scale, dtype=positions.dtype, device=positions.device)
    inverse_of_atom = inverse[group.structure]
    r = positions if group.atoms is None else positions[group.atoms]
    fractional = (r[:, None, :] @ inverse_of_atom)[:, 0]
    u = (fractional - torch.floor(fractional)) * scale
    basis = inverse_of_atom * scale  # du/dr
    order = moments.order
    amplitudes = spread(u, moments.coefficients(basis, group.atoms), group.basis, order)
    potential = group.basis.potential(amplitudes, inverse, volume)
    energy = group.basis.energy(amplitudes, potential)
    derivatives = gather(u, potential, group.basis, 1)
    gradient = (basis @ derivatives[:, 1:, None])[:, :, 0]
    return energy, torch.cat([derivatives[:, :1], gradient], 1)


def screening(multipoles: Multipoles, cells: Tensor | None, plan: ElectrostaticPlan, eps_inf: float | Tensor) -> Tensor:
    """s = sqrt(eps_e) of every structure, [B]; a constant without gradient (theory.md section 6).

    eps_e = eps_inf / (1 + chi) in boxes, chi = 4 pi k_e tr(sum_i alpha_i + sum_ij f_ij d_ij d_ij^T)/3 / V; eps_inf for
    clusters.
    """
    like = multipoles.charges.detach()
    eps = torch.as_tensor(eps_inf, dtype=like.dtype)
    if eps.dim() > 0 and eps.shape != (plan.num_structures,):
        raise ValueError(f"eps_inf has shape {list(eps.shape)}; a number and [{plan.num_structures}] are accepted")
    if not torch.compiler.is_compiling() and not ((eps > 0) & torch.isfinite(eps)).all():
        raise ValueError(f"eps_inf is {eps_inf}; positive finite numbers are accepted")
    eps = eps.to(like).expand(plan.num_structures)
    flows = multipoles.flows
    responds = multipoles.polarizability is not None or (flows is not None and flows.conductance is not None)
    if plan.any_periodic and cells is not None and responds:
        isotropic = multipoles.isotropic_polarizability().detach()
        if flows is not None:
            isotropic = isotropic + flows.polarizability().detach().diagonal(dim1=1, dim2=2).sum(1) / 3
        alpha = plan.per_structure(isotropic)
        # the cells of clusters have no meaning
        identity = torch.eye(3, dtype=like.dtype, device=like.device)
        safe = torch.where(plan.periodic[:, None, None], cells.detach(), identity)
        chi = 4 * math.pi * COULOMB * alpha / inverse_and_volume(safe)[1]
        eps = torch.where(plan.periodic, eps / (1 + chi), eps)
    return torch.sqrt(eps)


def _applied_potential(positions: Tensor, softness: Tensor, field: Tensor, plan: ElectrostaticPlan) -> Tensor:
    """E0.(r - r_c) at the atoms of clusters, zero in boxes; independent of the origin by r_c = sum kappa r / sum kappa."""
    centre = plan.centre(positions, softness)
    applied = (field * (positions - centre[plan.batch])).sum(1)
    return torch.where(plan.periodic[plan.batch], 0.0, applied)
