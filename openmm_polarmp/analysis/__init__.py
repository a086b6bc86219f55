"""Spectra, dielectric constants and distributions from what the reporters wrote."""

from .dielectric import high_frequency_constant, static_dielectric_constant
from .distributions import Distribution, distribution, molecular_dipoles, molecules_of
from .series import Table, read_columns
from .spectra import Spectrum, infrared, power_spectrum, raman

__all__ = [
    "Distribution",
    "Spectrum",
    "Table",
    "distribution",
    "high_frequency_constant",
    "infrared",
    "molecular_dipoles",
    "molecules_of",
    "power_spectrum",
    "raman",
    "read_columns",
    "static_dielectric_constant",
]
