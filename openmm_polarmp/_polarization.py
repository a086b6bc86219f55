"""The polarization current from a Context: how the dipole changes as the atoms move (theory.md section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from openmm_polarmp._extras import require_torch
from openmm_polarmp._polarizability import arms_of_softness

if TYPE_CHECKING:
    from openmm_polarmp.force import PolarMPForce

LONGEST_SHIFT = 1e-4
"""nm, of the atoms between the two ends of a difference of dipoles: far above rounding in single precision, far below a bond."""


def torch_charge_transfer(
    context: openmm.Context, particles: Sequence[int], source: Any, periodic: bool
) -> NDArray[np.float64]:
    """The charge transfer [N,3,3] of a source in torch, which the plugin's C++ side does not know."""
    require_torch("the charge transfer of a source in Python")
    from openmm_polarmp.sources.charge_transfer import charge_transfer

    state = context.getState(positions=True)
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)[particles]
    cell = np.array(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.angstrom)) if periodic else None
    return charge_transfer(source, positions, cell)


def current_of_charges(
    charges: NDArray[np.float64], transfer: NDArray[np.float64], velocities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """sum_i q_i v_i + transfer_i v_i, latent."""
    return charges @ velocities + np.einsum("iab,ib->a", transfer, velocities)


def current_of_dipoles(
    force: PolarMPForce, context: openmm.Context, particles: Sequence[int], velocities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """d/dt of what has one value at any positions, latent, in e nm/ps: a central difference along the velocities.

    In a box these are the permanent and induced dipoles, and those of charge that neighbours have exchanged. In a cluster it is
    also the dipole of the charges that softness takes up (`arms_of_softness`). The Context is left at its positions.
    """
    positions = context.getState(positions=True).getPositions(asNumpy=True)._value
    fastest = float(np.linalg.norm(velocities, axis=1).max(initial=0.0))
    if fastest == 0:
        return np.zeros(3)
    time = 0.5 * LONGEST_SHIFT / fastest
    ends = []
    try:
        for sign in (1, -1):
            moved = positions.copy()
            moved[particles] += sign * time * velocities
            context.setPositions(moved)
            step, flows = force.getStepData(context), force.getPairFlows(context)
            total = step.dipoles.sum(0) + step.induced_dipoles.sum(0) + flows.dipole
            if not force.usesPeriodicBoundaryConditions() and step.softness.any():
                taken_up = step.induced_charges - flows.received(len(particles))
                total = total + taken_up @ arms_of_softness(force, step.softness, moved[particles])
            ends.append(total)
    finally:
        context.setPositions(positions)
    return (ends[0] - ends[1]) / (2 * time)
