"""Born effective charges out of a Context (theory.md section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from . import units

if TYPE_CHECKING:
    from .force import PolarMPForce

# V/nm. The energy is quadratic in the field, so that central differences are exact for any amplitude; this one lifts
# the response far above the rounding of forces in single precision.
_AMPLITUDE = 10.0


def forces_per_field(force: PolarMPForce, context: openmm.Context) -> NDArray[np.float64]:
    """dF/dE0 [N,3,3] in e: row = field, column = force."""
    particles = force.getParticles() or list(range(context.getSystem().getNumParticles()))
    group = 1 << force.getForceGroup()
    present = {name: context.getParameter(name) for name in force.FIELD_PARAMETERS}

    def forces(name: str, value: float) -> NDArray[np.float64]:
        context.setParameter(name, value)
        state = context.getState(forces=True, groups=group)
        return state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)[particles]

    result = np.empty((len(particles), 3, 3))
    try:
        for name in force.FIELD_PARAMETERS:
            context.setParameter(name, 0.0)
        for a, name in enumerate(force.FIELD_PARAMETERS):
            change = forces(name, _AMPLITUDE) - forces(name, -_AMPLITUDE)
            context.setParameter(name, 0.0)
            # (kJ/mol/nm) / (V/nm) -> e
            result[:, a] = change / (2 * _AMPLITUDE) * units.FIELD_TO_OPENMM / units.FORCE_TO_OPENMM
    finally:
        for name, value in present.items():
            context.setParameter(name, value)
    return result
