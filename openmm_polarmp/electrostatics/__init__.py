"""Electrostatics of polarizable atomic multipoles in torch, differentiable to any order (units: A, e, eV)."""

from .energy import ElectrostaticResult, electrostatic_energy
from .multipoles import Multipoles
from .plan import ElectrostaticPlan

__all__ = ["ElectrostaticPlan", "ElectrostaticResult", "Multipoles", "electrostatic_energy"]
