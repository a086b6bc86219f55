"""Spectra, dielectric constants and distributions from the files of the reporters."""

from openmm_polarmp.analysis.correlation import correlation_steps, independent_values
from openmm_polarmp.analysis.dielectric import high_frequency_constant, static_dielectric_constant
from openmm_polarmp.analysis.distributions import Distribution, distribution, molecules_of
from openmm_polarmp.analysis.series import Table, has_column, read_columns
from openmm_polarmp.analysis.spectra import Spectrum, average, infrared, power_spectrum, raman
from openmm_polarmp.analysis.sum_rule import f_sum, parse_bands
from openmm_polarmp.molecules import molecular_dipoles

__all__ = [
    "Distribution",
    "Spectrum",
    "Table",
    "average",
    "correlation_steps",
    "distribution",
    "f_sum",
    "has_column",
    "high_frequency_constant",
    "independent_values",
    "infrared",
    "molecular_dipoles",
    "molecules_of",
    "parse_bands",
    "power_spectrum",
    "raman",
    "read_columns",
    "static_dielectric_constant",
]
