"""The electrostatic energy of atomic multipoles with induced charges and dipoles (theory.md sections 2, 3 and 6)."""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from openmm_polarmp.electrostatics._checks import check_atoms, check_field, check_values
from openmm_polarmp.electrostatics._lattice import inverse_and_volume
from openmm_polarmp.electrostatics.boundary import check_neutral_boxes
from openmm_polarmp.electrostatics.flows import Flows
from openmm_polarmp.electrostatics.induction import Induction, Parts, plus
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.mutual import Mutual, energy_of_induction, induced_moments
from openmm_polarmp.electrostatics.permanent import Moments, permanent_potential
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan
from openmm_polarmp.electrostatics.total_charge import TotalCharge
from openmm_polarmp.units import COULOMB


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
    boundary: str = "conducting",
    mutual: Mutual | None = None,
    total_charge: TotalCharge | None = None,
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
        Optical dielectric constant of the medium. eps_e follows from it and from the response (theory.md section 6); it
        is eps_inf for clusters and without a response.
    boundary : str
        What surrounds boxes (theory.md section 10): 'conducting'; 'slab_z', vacuum above and below a slab, whose first two
        box vectors are normal to z; 'vacuum' around a large sphere of boxes, which have to be neutral. Positions of slabs
        and of boxes in vacuum are unwrapped.
    mutual : Mutual, optional
        With it induced moments feel each other (theory.md section 9); by default they feel the permanent ones only.
    total_charge : TotalCharge, optional
        Charge that structures or groups of atoms are to have: what their charges lack is taken up in proportion to the
        softness, and induced charges move within the groups only.
    plan : ElectrostaticPlan, optional
        Prepared sizes for repeated calls, instead of batch, pbc, sigma, accuracy, k_max, method and boundary; input values
        are then not checked.
    """
    check_atoms(positions, multipoles)
    checks_values = plan is None and not torch.compiler.is_compiling()
    checks_neutrality = checks_values and boundary == "vacuum"
    if plan is None:
        if checks_values:
            check_values(positions, multipoles, external_field)
        plan = ElectrostaticPlan(
            positions,
            cell,
            batch=batch,
            pbc=pbc,
            sigma=sigma,
            accuracy=accuracy,
            k_max=k_max,
            method=method,
            boundary=boundary,
        )
    else:
        plan.check_sizes(positions, cell)
        plan.check_options(
            batch=batch, pbc=pbc, sigma=sigma, accuracy=accuracy, k_max=k_max, method=method, boundary=boundary
        )
    cells = None if cell is None else cell.expand(plan.num_structures, 3, 3)

    shared = None
    if total_charge is not None:
        if multipoles.softness is None:
            raise ValueError(
                "total_charge is given; multipoles with softness, whose charges can take it up, are accepted"
            )
        shared = total_charge.shares(multipoles, plan.batch)
        flows = multipoles.flows
        if flows is not None:
            flows = dataclasses.replace(flows, local_charges=flows.local_charges + shared)
        multipoles = dataclasses.replace(multipoles, charges=multipoles.charges + shared, flows=flows)
    if checks_neutrality:
        check_neutral_boxes(plan.per_structure(multipoles.charges.detach()), plan.periodic)
    moments = Moments.of(multipoles)
    energy, (potential, gradient, _) = permanent_potential(positions, moments, cells, plan)
    if shared is not None:
        energy = energy + plan.per_structure(_cost_of_sharing(multipoles, shared))

    scaling = screening(multipoles, cells, plan, eps_inf, mutual is not None)
    latent_field = None
    if external_field is not None:
        if checks_values and not torch.isfinite(scaling).all():
            raise ValueError(
                "external_field is given, and the polarizability of a box is so large that moments which feel the permanent "
                "ones only would screen more than a whole field; chi below 1 is accepted (theory.md section 6), or mutual"
            )
        latent_field = scaling[:, None] * check_field("external_field", external_field, positions, plan.num_structures)
        latent_field = latent_field[plan.batch]
        energy = energy - plan.per_structure((latent_field * _dipoles(positions, moments, multipoles.flows)).sum(1))

    groups = None if total_charge is None else total_charge.groups_of(plan.batch)
    induction = Induction(positions, multipoles, cells, plan, groups)
    driving = _driving(induction, potential, gradient, latent_field)
    if mutual is None:
        induced = induction.taken_up(driving)
        energy = energy - induction.dot(driving, induced) / 2
    elif induction.kinds:
        induced = induced_moments(induction, driving, mutual)
        energy = energy + energy_of_induction(induction, driving, induced)
    else:
        induced = ()

    values = dict(zip(induction.kinds, induced, strict=True))
    at_atoms = induction.moments(induced)
    induced_charges = at_atoms.charges if shared is None else at_atoms.charges + shared
    induced_dipoles = torch.zeros_like(gradient) if at_atoms.dipoles is None else at_atoms.dipoles
    induced_flows = None
    if multipoles.flows is not None:
        induced_flows = values.get("flows", torch.zeros_like(multipoles.flows.charges))
    if not plan.batched:
        energy, scaling = energy[0], scaling[0]
    return ElectrostaticResult(energy, potential, -gradient, induced_charges, induced_dipoles, scaling, induced_flows)


def _driving(induction: Induction, potential: Tensor, gradient: Tensor, latent_field: Tensor | None) -> Parts:
    """-V: what drives induced charges, flows and dipoles, the external field and electronegativities included."""
    electronegativity = induction.multipoles.electronegativity
    felt = potential if electronegativity is None else potential + electronegativity
    parts = {kind: -part for kind, part in zip(induction.kinds, induction.felt(potential, gradient), strict=True)}
    if "charges" in parts:
        parts["charges"] = -felt
    driving = tuple(parts.values())
    return driving if latent_field is None else plus(driving, driven_by_field(induction, latent_field))


def driven_by_field(induction: Induction, field: Tensor) -> Parts:
    """What drives induced charges, flows and dipoles in a uniform latent field [N, 3] at the atoms, V/A."""
    multipoles, parts = induction.multipoles, []
    for kind in induction.kinds:
        if kind == "charges":
            assert multipoles.softness is not None
            parts.append(_applied_potential(induction.positions, multipoles.softness, field, induction.plan))
        elif kind == "flows":
            assert multipoles.flows is not None
            parts.append(-multipoles.flows.drops_in(field))
        else:
            parts.append(field)
    return tuple(parts)


def _dipoles(positions: Tensor, moments: Moments, flows: Flows | None) -> Tensor:
    """The dipole of each atom [N, 3] that an external field acts on; their sum is the polarization."""
    if flows is None:
        dipoles = moments.charges[:, None] * positions
    else:
        dipoles = flows.local_charges[:, None] * positions + flows.dipoles(flows.charges)
    return dipoles if moments.dipoles is None else dipoles + moments.dipoles


def _cost_of_sharing(multipoles: Multipoles, shared: Tensor) -> Tensor:
    """Energy of charge that has been shared out in proportion to the softness, apart from what it does to other atoms: [N]."""
    softness = multipoles.softness
    assert softness is not None
    cost = shared.square() / (2 * torch.where(softness > 0, softness, 1.0))
    if multipoles.electronegativity is not None:
        cost = cost + multipoles.electronegativity * shared
    return cost


def screening(
    multipoles: Multipoles, cells: Tensor | None, plan: ElectrostaticPlan, eps_inf: float | Tensor, mutual: bool
) -> Tensor:
    """s = sqrt(eps_e) of every structure, [B]; a constant without gradient (theory.md section 6).

    In boxes eps_e = eps_inf (1 - chi), chi = 4 pi k_e tr(sum_i alpha_i + sum_ij f_ij d_ij d_ij^T)/3 / V, and eps_inf / (1 +
    chi) where induced moments feel each other or there is softness; eps_inf for clusters. Not a number where chi is 1 or more
    in the first case.
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
        one_step = not mutual and multipoles.softness is None
        eps = torch.where(plan.periodic, eps * (1 - chi) if one_step else eps / (1 + chi), eps)
    return torch.sqrt(eps)


def _applied_potential(positions: Tensor, softness: Tensor, field: Tensor, plan: ElectrostaticPlan) -> Tensor:
    """E0.(r - r_c) at the atoms of clusters, zero in boxes; independent of the origin by r_c = sum kappa r / sum kappa."""
    centre = plan.centre(positions, softness)
    applied = (field * (positions - centre[plan.batch])).sum(1)
    return torch.where(plan.periodic[plan.batch], 0.0, applied)
