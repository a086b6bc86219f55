"""Polarization, Born effective charges and polarizability (theory.md section 6).

Every result carries the scaling s = sqrt(eps_e) that it contains: physical moments are s times the latent ones. s is a
constant of the medium; no derivative is taken of it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from openmm_polarmp.electrostatics._checks import check_atoms
from openmm_polarmp.electrostatics.born_charges import charge_transfer, position_gradient, without_mean_charge
from openmm_polarmp.electrostatics.energy import (
    ElectrostaticResult,
    driven_by_field,
    electrostatic_energy,
    screening,
)
from openmm_polarmp.electrostatics.induction import Induction, Parts
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.mutual import induced_moments
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan


class Scaled(NamedTuple):
    """A physical quantity and the scaling s that it contains ([B]; a scalar without a batch)."""

    value: Tensor
    scaling: Tensor


def polarization(
    positions: Tensor,
    multipoles: Multipoles | Callable[[Tensor], Multipoles],
    cell: Tensor | None = None,
    *,
    induced_charges: bool = True,
    **options: Any,
) -> Scaled:
    """P = s [ sum_i (q_i + dq_i) r_i + mu_i + dmu_i ], the dipole moment in e A: [B, 3], or [3] if no batch was given.

    With flows it is s [ sum_i q0_i r_i + mu_i + dmu_i + sum_ij (t_ij + p_ij) d_ij ]. In a box the positions have to be
    unwrapped, and even then P is defined up to a constant only. Where local charges depend on the surroundings its change
    is not single valued: differentiate with `born_effective_charges`. With flows from constant charges it is.

    Parameters
    ----------
    positions : [N, 3]
        In A.
    multipoles : Multipoles, or function of the positions that returns them
    cell, options
        As for `electrostatic_energy`, external_field and eps_inf among them.
    induced_charges : bool
        Whether dq counts.
    """
    moments = multipoles(positions) if callable(multipoles) else multipoles
    plan, options = _plan(positions, moments, cell, options)
    result = electrostatic_energy(positions, moments, cell, plan=plan, **options)
    permanent, induced, dipoles = local_moments(moments, result, induced_charges)
    charges = permanent + induced if induced_charges else permanent
    latent = plan.per_structure(charges[:, None] * positions + dipoles)
    if not plan.batched:
        latent = latent[0]
    return Scaled(result.scaling[..., None] * latent, result.scaling)


def born_effective_charges(
    positions: Tensor,
    multipoles: Multipoles | Callable[[Tensor], Multipoles],
    cell: Tensor | None = None,
    *,
    induced_charges: bool = True,
    **options: Any,
) -> Scaled:
    """Z*_i,ab = dP_a / dr_i,b in e, [N, 3, 3]: row a is the polarization, column b the displacement.

    For clusters this is the derivative of `polarization`. In a box it is taken between nearest images,

        Z*_i,ab = s [ q_i delta_ab + sum_j (r_j - r_i)_a dq_j/dr_i,b + d(sum mu + dmu)_a/dr_i,b ],

    the mean removed from the dq_j and from the induced charges. That takes one backward pass for each atom of the largest
    box (none for charges that do not depend on the positions). What charges do at a distance, as the induced ones or a
    projection on the total charge do, is right to O(1/L) only. With flows the q are those before the transfers, and the
    dipoles of transfers and flows are among the mu and dmu: exact, and without these passes if the q0 are constants.

    Parameters
    ----------
    positions : [N, 3]
        In A.
    multipoles : Multipoles, or function of the positions that returns them
        Multipoles are taken as fixed: only the induced moments depend on the positions.
    cell, options
        As for `electrostatic_energy`.
    induced_charges : bool
        Whether dq counts.
    """
    r = positions.detach().clone().requires_grad_()
    with torch.enable_grad():
        moments = multipoles(r) if callable(multipoles) else multipoles
        plan, options = _plan(r, moments, cell, options)
        result = electrostatic_energy(r, moments, cell, plan=plan, **options)
        permanent, induced, dipoles = local_moments(moments, result, induced_charges)
        # Charge that a box has taken up as a whole is no part of its response: the sum over atoms is the total charge.
        induced = without_mean_charge(induced, plan.periodic, plan.batch)
        charges = permanent + induced if induced_charges else permanent
        in_box = plan.periodic[plan.batch]
        # clusters: all of P; boxes: its single-valued part
        single_valued = dipoles + torch.where(in_box, 0.0, charges)[:, None] * r
        born = torch.stack([position_gradient(single_valued[:, a].sum(), r) for a in range(3)], 1)
        if cell is not None and plan.any_periodic:
            rigid = torch.where(in_box, charges.detach(), 0.0)
            born = born + rigid[:, None, None] * torch.eye(3, dtype=r.dtype, device=r.device)
            moving = torch.where(in_box, without_mean_charge(charges, plan.periodic, plan.batch), 0.0)
            cells = cell.expand(plan.num_structures, 3, 3)
            born = born + charge_transfer(moving, r, cells, plan.periodic, plan.batch)
    scaling = result.scaling.expand(plan.num_structures)[plan.batch]
    return Scaled(scaling[:, None, None] * born, result.scaling)


def polarizability(
    positions: Tensor,
    multipoles: Multipoles,
    cell: Tensor | None = None,
    *,
    induced_charges: bool = True,
    **options: Any,
) -> Scaled:
    """alpha_tot = dP/dE0 in e^2 A^2/eV, [B, 3, 3], or [3, 3] if no batch was given. Times k_e: a volume in A^3.

    With the direct response s^2 sum_i alpha_i and, unless ``induced_charges`` is False, that of flows, s^2 sum_ij f_ij d_ij
    d_ij^T, and for clusters of induced charges, s^2 sum_i kappa_i (r_i - r_c)(r_i - r_c)^T. With ``mutual`` what the three
    fields induce is solved for. In a box the field does not act through the softness.

    Parameters
    ----------
    positions, multipoles, cell, options
        As for `electrostatic_energy`; the charges and other permanent moments do not matter.
    induced_charges : bool
        Whether dq counts.
    """
    check_atoms(positions, multipoles)
    mutual = options.pop("mutual", None)
    if mutual is None and "plan" not in options:
        # The plan is used for its structures only: no mesh, and as few wave vectors as can be.
        options["k_max"], options["accuracy"] = 1e-3, 1e-6
    plan, rest = _plan(positions, multipoles, cell, options)
    cells = None if cell is None else cell.expand(plan.num_structures, 3, 3)
    total_charge = rest.get("total_charge")
    scaling = screening(multipoles, cells, plan, rest.get("eps_inf", 1.0), mutual is not None)
    groups = None if total_charge is None else total_charge.groups_of(plan.batch)
    induction = Induction(positions, multipoles, cells, plan, groups)
    unit_fields = torch.eye(3, dtype=positions.dtype, device=positions.device)
    columns = []
    for unit_field in unit_fields:
        driving = driven_by_field(induction, unit_field.expand(len(positions), 3))
        if mutual is None:
            induced = induction.taken_up(driving)
        else:
            induced = induced_moments(induction, driving, mutual)
        columns.append(plan.per_structure(_induced_dipoles(induction, induced, induced_charges)))
    total = scaling[:, None, None] ** 2 * torch.stack(columns, 2)
    return Scaled(total, scaling) if plan.batched else Scaled(total[0], scaling[0])


def _induced_dipoles(induction: Induction, induced: Parts, induced_charges: bool) -> Tensor:
    """The dipole [N, 3] in e A that induced moments amount to at each atom, as the polarization counts them."""
    values = dict(zip(induction.kinds, induced, strict=True))
    dipoles = values.get("dipoles", torch.zeros_like(induction.positions))
    if not induced_charges:
        return dipoles
    flows = induction.multipoles.flows
    if "flows" in values and flows is not None:
        dipoles = dipoles + flows.dipoles(values["flows"])
    softness = induction.multipoles.softness
    if "charges" in values and softness is not None:
        plan = induction.plan
        in_box = plan.periodic[plan.batch]
        arms = induction.positions - plan.centre(induction.positions, softness)[plan.batch]
        dipoles = dipoles + torch.where(in_box, 0.0, values["charges"])[:, None] * arms
    return dipoles


_PLAN_OPTIONS = ("batch", "pbc", "sigma", "accuracy", "k_max", "method", "boundary")


def _plan(positions: Tensor, moments: Multipoles, cell: Tensor | None, options: dict) -> tuple[ElectrostaticPlan, dict]:
    """The plan among the options, or a new one made from them, and the options that are not the plan's."""
    check_atoms(positions, moments)
    of_plan = {name: options[name] for name in _PLAN_OPTIONS if name in options}
    rest = {name: value for name, value in options.items() if name not in (*_PLAN_OPTIONS, "plan")}
    plan = options.get("plan")
    return plan if plan is not None else ElectrostaticPlan(positions, cell, **of_plan), rest


def local_moments(
    moments: Multipoles, result: ElectrostaticResult, flows_respond: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Permanent and induced charges [N] in e and dipoles [N, 3] in e A that together make the polarization.

    Charge that has moved between the atoms of a pair counts as a dipole, which is the same however atoms are wrapped.
    Without ``flows_respond`` only that counts which they have exchanged permanently.
    """
    charges, induced, dipoles = moments.charges, result.induced_charges, result.induced_dipoles
    if moments.dipoles is not None:
        dipoles = dipoles + moments.dipoles
    flows = moments.flows
    if flows is not None and result.induced_flows is not None:
        charges = flows.local_charges
        # Without softness nothing else is induced, and the derivatives of zero need not be computed.
        softness = moments.softness is not None
        induced = induced - flows.received(result.induced_flows) if softness else torch.zeros_like(charges)
        dipoles = dipoles + flows.dipoles(flows.charges + result.induced_flows * flows_respond)
    return charges, induced, dipoles
