"""Reporters for OpenMM's Simulation.

They read the results of the evaluation that a report makes anyway; the network does not run again. All numbers are latent
quantities (theory.md section 6): physical ones are s = sqrt(eps_e) times as large, polarizabilities s^2 times.
"""

from openmm_polarmp.reporters.dipole import DipoleReporter
from openmm_polarmp.reporters.extrapolation import ExtrapolationReporter, ExtrapolationWarning
from openmm_polarmp.reporters.multipole import MultipoleFile, MultipoleReporter
from openmm_polarmp.reporters.polarizability import PolarizabilityReporter
from openmm_polarmp.units import DEBYE_PER_E_NM

__all__ = [
    "DEBYE_PER_E_NM",
    "DipoleReporter",
    "ExtrapolationReporter",
    "ExtrapolationWarning",
    "MultipoleFile",
    "MultipoleReporter",
    "PolarizabilityReporter",
]
