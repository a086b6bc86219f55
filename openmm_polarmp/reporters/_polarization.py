"""The polarization of the charges along a run, and the f-sum of its Born charges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import openmm
from numpy.typing import NDArray

from openmm_polarmp._polarizability import arms_of_softness
from openmm_polarmp.force import PolarMPForce
from openmm_polarmp.step_data import StepData


class ChargePolarization:
    """The charges' part of the polarization, which in a periodic box is summed up along the run.

    From one report to the next it changes by the integral of dP/dr along any path between the two sets of positions. On the
    straight line the trapezoidal rule leaves an error of third order in the displacements. Velocities, which leapfrog
    integrators have half a step off the positions, are not needed.

    Parameters
    ----------
    force : PolarMPForce
    particles : sequence of int
        The force's.
    start : array [3]
        Value at the first report of a box, e nm.
    """

    def __init__(self, force: PolarMPForce, particles: Sequence[int], start: NDArray[np.float64]) -> None:
        self._force, self._particles = force, particles
        self._value = start
        self._before: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def at(self, context: openmm.Context, step: StepData, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The polarization [3] (e nm, latent) at the Context's positions [N,3] (nm), which must not have been wrapped."""
        if not self._force.usesPeriodicBoundaryConditions():
            arms = arms_of_softness(self._force, step.softness, positions)
            return step.charges @ positions + step.induced_charges @ arms
        # Charge that neighbours have exchanged has a dipole in each pair; the rest moves with the atoms.
        exchanged = self._force.getPairFlows(context).dipole
        born = self._force.getChargeTransfer(context) + step.local_charges[:, None, None] * np.eye(3)
        if self._before is None:
            self._value = self._value - exchanged
        else:
            earlier_positions, earlier_born = self._before
            self._value = self._value + 0.5 * np.einsum("iab,ib->a", born + earlier_born, positions - earlier_positions)
        self._before = positions, born
        return self._value + exchanged


def born_sum(context: openmm.Context, force: PolarMPForce, masses: NDArray[np.float64], scale: float) -> float:
    """sum_i Z_i:Z_i / m_i over the atoms with a mass, e^2/Da, latent; in a box without the induced charges.

    NaN where the moments have no scale, so that there are no Born charges.
    """
    if np.isnan(scale):
        return np.nan
    born = force.getBornEffectiveCharges(context, induced_charges=not force.usesPeriodicBoundaryConditions())
    moving = masses > 0
    return float(((born[moving] ** 2).sum((1, 2)) / masses[moving]).sum() / scale**2)
