"""The polarizability of the atoms of a force as a whole (theory.md sections 6, 8 and 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openmm
from numpy.typing import NDArray

from openmm_polarmp import units
from openmm_polarmp._field_response import field_response
from openmm_polarmp._free_charge import require_polarization

if TYPE_CHECKING:
    from openmm_polarmp.force import PolarMPForce


def arms_of_softness(
    force: PolarMPForce, softness: NDArray[np.float64], positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where a field acts on the charges that softness takes up in a cluster, [N,3] in the positions' unit.

    For atoms whose group has a given total charge these are the positions, for the others positions from their centre of softness.

    Parameters
    ----------
    force : PolarMPForce
    softness : array [N]
        In any unit.
    positions : array [N,3]
        Of the force's atoms, in any unit.
    """
    free = softness.copy()
    constraint = force.getTotalChargeConstraint()
    if constraint is not None:
        members = [index for group in constraint[1] for index in group]
        particles = force.getParticles()
        numbers = [particles.index(index) for index in members] if particles else members
        free[numbers if members else slice(None)] = 0
    if not free.any():
        return positions
    return positions - np.outer(free > 0, free @ positions / free.sum())


def system_polarizability(
    force: PolarMPForce, context: openmm.Context, positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The latent polarizability, [3,3] in e^2 nm^2/(kJ/mol).

    With direct response it is the sum over atoms and pairs; induced moments that feel each other are computed in six fields.

    Parameters
    ----------
    force : PolarMPForce
    context : openmm.Context
    positions : array [N,3]
        Of the force's atoms, nm.

    Raises
    ------
    ValueError
        If there is none (`has_polarization`).
    """
    require_polarization(force, "the polarizability is")
    step = force.getStepData(context)
    arms = np.zeros_like(positions)  # in a box a field does not act through the softness
    if not force.usesPeriodicBoundaryConditions():
        arms = arms_of_softness(force, step.softness, positions)
    if force.getPolarizationType() != force.Mutual:
        total = step.polarizability.sum(0) + (step.softness[:, None] * arms).T @ arms
        return total + force.getPairFlows(context).polarizability

    def induced_dipole() -> NDArray[np.float64]:
        data, flows = force.getStepData(context), force.getPairFlows(context)
        charges = data.induced_charges - flows.received(len(positions))
        return data.induced_dipoles.sum(0) + charges @ arms + flows.induced_charges @ flows.vectors

    response = field_response(context, force.FIELD_PARAMETERS, induced_dipole) / step.field_scale
    return response.T / units.POTENTIAL_TO_OPENMM  # e nm/(V/nm) -> e^2 nm^2/(kJ/mol)
