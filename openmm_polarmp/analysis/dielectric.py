"""Dielectric constants from the fluctuation of the dipole and from the polarizability."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp import units
from openmm_polarmp.analysis.spectra import BOLTZMANN, CHARGE, VACUUM


@dataclass(frozen=True)
class Constant:
    """A dielectric constant.

    Attributes
    ----------
    value : float
        The constant.
    error : float
        Its standard error, from blocks.
    scaling : float
        s = sqrt(eps_e), by which latent dipoles were scaled.
    """

    value: float
    error: float
    scaling: float

    def __str__(self) -> str:
        return f"{self.value:.4g} +- {self.error:.2g} (scaling s = {self.scaling:.4g})"


def static_dielectric_constant(
    dipoles: NDArray,
    volume: float,
    temperature: float,
    *,
    scaling: float = 1.0,
    eps_infinity: float = 1.0,
    blocks: int = 5,
) -> Constant:
    """
    Eps = eps_infinity + (<P^2> - <P>^2) / (3 eps0 V kT), in conducting surroundings.

    Parameters
    ----------
    dipoles
        [T, 3], latent dipoles of the box in e nm
    volume
        nm^3
    temperature
        K
    scaling
        s = sqrt(eps_e)
    eps_infinity
        The part of the electrons, which does not fluctuate with the nuclei
    blocks
        The error is the scatter of so many parts of the series, each with the mean of the whole
    """
    dipoles = np.asarray(dipoles, dtype=float)
    if dipoles.ndim != 2 or dipoles.shape[1] != 3 or len(dipoles) < 2 * blocks:
        raise ValueError(f"dipoles: expected [T, 3] with at least {2 * blocks} rows, got shape {dipoles.shape}")
    if not np.isfinite(dipoles).all():
        raise ValueError("dipoles: NaN or infinite values")
    for name, value in (("volume", volume), ("temperature", temperature)):
        if not value > 0:
            raise ValueError(f"{name}: expected a positive number, got {value}")
    fluctuation = ((dipoles - dipoles.mean(0)) ** 2).sum(1)
    factor = (scaling * CHARGE * 1e-9) ** 2 / (3 * VACUUM * volume * 1e-27 * BOLTZMANN * temperature)
    parts = np.array([part.mean() for part in np.array_split(fluctuation, blocks)])
    error = factor * parts.std(ddof=1) / math.sqrt(blocks) if blocks > 1 else math.nan
    return Constant(eps_infinity + factor * float(fluctuation.mean()), error, scaling)


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
