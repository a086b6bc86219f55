"""Charges from electronegativities, solved for by the source: to the kernels they are permanent (theory.md section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from openmm_polarmp.electrostatics.induction import Induction
from openmm_polarmp.electrostatics.multipoles import Multipoles
from openmm_polarmp.electrostatics.mutual import Mutual, induced_moments
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan
from openmm_polarmp.electrostatics.total_charge import TotalCharge
from openmm_polarmp.models.model import NetworkResult

if TYPE_CHECKING:
    from openmm_polarmp.models import PolarMPModel


def equilibrated(
    model: PolarMPModel,
    result: NetworkResult,
    positions: torch.Tensor,
    cell: torch.Tensor | None,
    total_charge: float,
    plan: ElectrostaticPlan,
    tolerance: float,
) -> NetworkResult:
    """The charges and dipoles of lowest energy in place of electronegativities, hardnesses and polarizabilities.

    What the charges and dipoles cost the atoms that carry them is added to the energies; what they do to each other is left to
    the kernels. Everything is a differentiable function of the positions. An external field acts on these charges, and does
    not change them.

    Parameters
    ----------
    model : PolarMPModel
        Of a rung with equilibrated charges.
    result : NetworkResult
        What its network gives at the positions.
    positions : Tensor [N, 3]
        A.
    cell : Tensor [3, 3] or None
        A; None for a cluster.
    total_charge : float
        e.
    plan : ElectrostaticPlan
        Of these atoms.
    tolerance : float
        Of the conjugate gradients.
    """
    m = result.multipoles.to(positions.dtype)
    chi, softness = m.electronegativity, m.softness
    assert chi is not None and softness is not None
    wanted = TotalCharge(positions.new_tensor([total_charge]))
    groups = wanted.groups_of(plan.batch)
    shared = wanted.shares(m, plan.batch)
    cells = None if cell is None else cell[None]
    induction = Induction(positions, m, cells, plan, groups)
    # What drives the charges: electronegativities, and the potential of charge that has been shared out.
    others = induction.interaction_of(shared)
    felt = list(induction.felt(others.potential, others.gradient))
    felt[0] = felt[0] + chi
    solution = dict(
        zip(induction.kinds, induced_moments(induction, tuple(-x for x in felt), Mutual(tolerance)), strict=True)
    )
    charges = shared + solution["charges"]
    cost = chi * charges + charges.square() / (2 * softness)
    dipoles = solution.get("dipoles")
    if dipoles is not None:
        together = Induction(positions, m, cells, plan).interaction((charges, dipoles))
        cost = cost - (dipoles * together[1]).sum(1) / 2
    multipoles = Multipoles(
        charges.to(result.raw_charges.dtype), None if dipoles is None else dipoles.to(result.raw_charges.dtype)
    )
    return NetworkResult(result.energies + cost.to(result.energies.dtype), multipoles, multipoles.charges)
