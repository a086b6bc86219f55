"""Electrostatics of polarizable atomic multipoles in torch, differentiable to any order (units: A, e, eV)."""

from .energy import ElectrostaticResult, electrostatic_energy
from .multipoles import Multipoles
from .plan import ElectrostaticPlan
from .response import Scaled, born_effective_charges, polarizability, polarization

__all__ = [
    "ElectrostaticPlan",
    "ElectrostaticResult",
    "Multipoles",
    "Scaled",
    "born_effective_charges",
    "electrostatic_energy",
    "polarizability",
    "polarization",
]
