"""The force of a Context, also where it stands inside of other forces, as in mixed systems with ``interpolate=True``."""

from __future__ import annotations

import openmm

from openmm_polarmp.force import PolarMPForce


def find_forces(context: openmm.Context) -> list[tuple[PolarMPForce, openmm.Context]]:
    """Every PolarMPForce of a Context, and the Context that its getters take.

    A force that is a collective variable of a CustomCVForce, as OpenMM-ML makes it for ``interpolate=True``, is evaluated in a
    Context of its own, whose positions are those of the last evaluation. Each force keeps the System that owns it alive.

    Parameters
    ----------
    context : openmm.Context
    """
    system = context.getSystem()
    found = []
    for force in system.getForces():
        if PolarMPForce.isinstance(force):
            cast = PolarMPForce.cast(force)
            cast._owner = (system, context)
            found.append((cast, context))
        elif isinstance(force, openmm.CustomCVForce):
            inner = force.getInnerContext(context)
            inner._owner = context  # whose it is, and whose parameters it takes
            found += find_forces(inner)
    return found


def find_force(context: openmm.Context) -> tuple[PolarMPForce, openmm.Context]:
    """The Context's one PolarMPForce, and the Context that its getters take.

    Raises
    ------
    ValueError
        If there is none, or there are several.
    """
    found = find_forces(context)
    if len(found) != 1:
        raise ValueError(f"the Context has {len(found)} PolarMPForces; one is accepted")
    return found[0]
