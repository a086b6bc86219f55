"""The one PolarMPForce that a reporter reports on."""

from __future__ import annotations

from typing import Any

from openmm_polarmp.force import PolarMPForce


def the_force(simulation: Any, reporter: str) -> tuple[PolarMPForce, list[int]]:
    """The force and its particles.

    Raises
    ------
    ValueError
        If the System has none, or several.
    """
    found = [f for f in simulation.system.getForces() if PolarMPForce.isinstance(f)]
    if len(found) != 1:
        raise ValueError(f"{reporter} needs a System with one PolarMPForce; this one has {len(found)}")
    force = PolarMPForce.cast(found[0])
    return force, force.getParticles() or list(range(simulation.system.getNumParticles()))


def next_report(simulation: Any, interval: int, include: list[str]) -> dict[str, Any]:
    """What `describeNextReport` returns."""
    steps = interval - simulation.currentStep % interval
    return {"steps": steps, "periodic": False, "include": include}
