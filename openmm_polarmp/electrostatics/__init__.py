"""Electrostatics of polarizable atomic multipoles in torch, differentiable to any order (units: A, e, eV)."""

from typing import TYPE_CHECKING

from openmm_polarmp._torch import lazy_attributes

if TYPE_CHECKING:
    from openmm_polarmp.electrostatics.energy import ElectrostaticResult, electrostatic_energy
    from openmm_polarmp.electrostatics.flows import Flows
    from openmm_polarmp.electrostatics.multipoles import Multipoles
    from openmm_polarmp.electrostatics.mutual import Mutual, NoConvergence, PolarizationCatastrophe
    from openmm_polarmp.electrostatics.plan import ElectrostaticPlan
    from openmm_polarmp.electrostatics.response import Scaled, born_effective_charges, polarizability, polarization
    from openmm_polarmp.electrostatics.total_charge import TotalCharge

__getattr__ = lazy_attributes(
    __name__,
    {
        "ElectrostaticPlan": ".plan",
        "ElectrostaticResult": ".energy",
        "Flows": ".flows",
        "Multipoles": ".multipoles",
        "Mutual": ".mutual",
        "NoConvergence": ".mutual",
        "PolarizationCatastrophe": ".mutual",
        "Scaled": ".response",
        "TotalCharge": ".total_charge",
        "born_effective_charges": ".response",
        "electrostatic_energy": ".energy",
        "polarizability": ".response",
        "polarization": ".response",
    },
)

__all__ = [
    "ElectrostaticPlan",
    "ElectrostaticResult",
    "Flows",
    "Multipoles",
    "Mutual",
    "NoConvergence",
    "PolarizationCatastrophe",
    "Scaled",
    "TotalCharge",
    "born_effective_charges",
    "electrostatic_energy",
    "polarizability",
    "polarization",
]
