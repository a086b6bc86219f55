"""Charges that follow from electronegativities, as permanent charges with softness (theory.md section 9)."""

from __future__ import annotations

import dataclasses

from openmm_polarmp.models.model import NetworkResult


def without_electronegativities(result: NetworkResult) -> NetworkResult:
    """The same energy of the charges, without electronegativities.

    Charges q with electronegativities chi and softness kappa have the energy

        sum chi q + q^2 / (2 kappa) = sum (q + kappa chi)^2 / (2 kappa) - kappa chi^2 / 2

    The right-hand side has permanent charges -kappa chi, on top of which charges are induced, and a constant energy of each atom.
    """
    chi, kappa = result.multipoles.electronegativity, result.multipoles.softness
    if chi is None or kappa is None:
        return result
    charges = -kappa * chi
    return NetworkResult(
        result.energies + (charges * chi / 2).to(result.energies),
        dataclasses.replace(result.multipoles, charges=charges, electronegativity=None),
        charges,
    )
