"""Settings of a force that its model brings along, and takes with it when another model comes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openmm import unit

if TYPE_CHECKING:
    from openmm_polarmp.force import PolarMPForce


@dataclass(frozen=True)
class ModelSettings:
    """What a model says of the force that it is evaluated by.

    Attributes
    ----------
    sigma : float or None
        Width of the pair kernel, A; None: the force's.
    k_max : float or None
        Hard limit of the reciprocal sum, 1/A; None: the force's.
    mutual : bool
        Whether induced moments feel each other.
    total_charge : float or None
        Charge of all particles together, e, where charges follow from electronegativities; None: the source's charges have theirs.
    """

    sigma: float | None = None
    k_max: float | None = None
    mutual: bool = False
    total_charge: float | None = None

    def apply(self, force: PolarMPForce) -> None:
        """Set them."""
        if self.sigma is not None:
            force.setSigma(self.sigma * unit.angstrom)
        if self.k_max is not None:
            force.setKMax(self.k_max / unit.angstrom)
        if self.mutual:
            force.setPolarizationType(force.Mutual)
        if self.total_charge is not None and force.getFermiLevel() is None:
            force.setTotalChargeConstraint(self.total_charge)

    def remove(self, force: PolarMPForce, default: PolarMPForce) -> None:
        """Give those that nobody has changed since the values of ``default``, a force without a model."""
        if self.sigma is not None and _is(force.getSigma(), self.sigma * unit.angstrom):
            force.setSigma(default.getSigma())
        if self.k_max is not None and _is(force.getKMax(), self.k_max / unit.angstrom):
            force.setKMax(default.getKMax())
        if self.mutual and force.getPolarizationType() == force.Mutual:
            force.setPolarizationType(default.getPolarizationType())
        constraint = force.getTotalChargeConstraint()
        if constraint is not None and constraint[0].tolist() == [self.total_charge] and not constraint[1]:
            force.setTotalChargeConstraint(None)


def _is(value: unit.Quantity, of_model: unit.Quantity) -> bool:
    return math.isclose(value / of_model, 1.0, rel_tol=1e-9)
