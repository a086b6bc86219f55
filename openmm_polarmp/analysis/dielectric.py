"""Dielectric constants from the fluctuation of the dipole and from the polarizability."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp import units
from openmm_polarmp.analysis.correlation import independent_values
from openmm_polarmp.analysis.spectra import BOLTZMANN, CHARGE, VACUUM


@dataclass(frozen=True)
class Constant:
    """A dielectric constant.

    Attributes
    ----------
    value : float
        The constant, without a unit.
    error : float
        Its standard error, without a unit, which knows the correlation time of the series.
    scaling : float
        s = sqrt(eps_e), by which latent dipoles were scaled.
    independent : float
        Number of independent dipoles in the series. With less than about fifty neither value nor error can be relied on.
    """

    value: float
    error: float
    scaling: float
    independent: float

    def __str__(self) -> str:
        return f"{self.value:.4g} +- {self.error:.2g} (scaling s = {self.scaling:.4g})"


def static_dielectric_constant(
    dipoles: NDArray,
    volume: float,
    temperature: float,
    *,
    scaling: float = 1.0,
    eps_infinity: float = 1.0,
) -> Constant:
    """
    Eps = eps_infinity + (<P^2> - <P>^2) / (3 eps0 V kT), in conducting surroundings.

    Parameters
    ----------
    dipoles
        [T, 3], latent dipoles of the box in e nm, at equal intervals
    volume
        nm^3
    temperature
        K
    scaling
        s = sqrt(eps_e)
    eps_infinity
        The part of the electrons, which does not fluctuate with the nuclei
    """
    dipoles = np.asarray(dipoles, dtype=float)
    if dipoles.ndim != 2 or dipoles.shape[1] != 3 or len(dipoles) < 10:
        raise ValueError(f"dipoles has shape {dipoles.shape}; [T, 3] with at least 10 rows is accepted")
    if not np.isfinite(dipoles).all():
        raise ValueError("dipoles has NaN or infinite values; finite numbers are accepted")
    for name, value in (("volume", volume), ("temperature", temperature)):
        if not value > 0:
            raise ValueError(f"{name} is {value}; a positive number is accepted")
    if not eps_infinity >= 1:
        raise ValueError(f"eps_infinity is {eps_infinity}; the optical dielectric constant of a medium is 1 or more")
    fluctuation = ((dipoles - dipoles.mean(0)) ** 2).sum(1)
    factor = (scaling * CHARGE * 1e-9) ** 2 / (3 * VACUUM * volume * 1e-27 * BOLTZMANN * temperature)
    # Of the mean of the fluctuation, and of the fluctuation about a mean that is itself uncertain.
    independent = independent_values(dipoles)
    relative = fluctuation.mean() / independent
    scatter = fluctuation.std() / math.sqrt(independent_values(fluctuation))
    error = factor * math.hypot(scatter, relative)
    return Constant(eps_infinity + factor * float(fluctuation.mean()), error, scaling, independent)


def high_frequency_constant(polarizability: NDArray, volume: float, *, eps_e: float = 1.0) -> float:
    """High-frequency dielectric constant 1 + 4 pi eps_e <tr(A)/3> / V.

    The induced dipoles respond to the permanent field only (theory.md section 3), so that there is no local-field
    correction.

    Parameters
    ----------
    polarizability : array [T, 6]
        xx, yy, zz, xy, xz, yz of the box, A^3.
    volume : float
        nm^3.
    eps_e : float
        Square of the scaling of latent moments.
    """
    mean = float(np.asarray(polarizability)[:, :3].mean())
    return 1 + 4 * math.pi * eps_e * mean / (volume * units.ANGSTROM_PER_NM**3)
