"""Charge that moves any distance at once, which has no unique polarization in a periodic box (theory.md section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openmm_polarmp.force import PolarMPForce

REASON = "in a periodic box with a total charge constraint or a Fermi level charge moves any distance and has no unique polarization"


def has_polarization(force: PolarMPForce) -> bool:
    """Whether the polarization is a function of positions and field: then currents, Born charges and polarizability exist."""
    moves = force.getTotalChargeConstraint() is not None or force.getFermiLevel() is not None
    return not (moves and force.usesPeriodicBoundaryConditions())


def require_polarization(force: PolarMPForce, wanted: str) -> None:
    """Raise a ValueError that begins with what is wanted, such as "Born charges are", if there is no polarization."""
    if not has_polarization(force):
        raise ValueError(f"{wanted} asked for, but {REASON}; the nonbonded method NoCutoff is accepted")
