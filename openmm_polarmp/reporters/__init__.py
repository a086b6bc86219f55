"""Reporters for OpenMM's Simulation.

They ask for numbers of the evaluation that a step's report makes anyway; the network does not run again. All are latent
quantities (theory: section 6): physical ones are s = sqrt(eps_e) times as large, polarizabilities s^2 times.
"""

from .dipole import DEBYE_PER_E_NM, DipoleReporter
from .multipole import MultipoleFile, MultipoleReporter
from .polarizability import PolarizabilityReporter

__all__ = ["DEBYE_PER_E_NM", "DipoleReporter", "MultipoleFile", "MultipoleReporter", "PolarizabilityReporter"]
