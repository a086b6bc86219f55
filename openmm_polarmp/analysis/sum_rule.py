"""The f-sum rule of infrared absorption (theory.md section 12)."""

from __future__ import annotations

import numpy as np

from openmm_polarmp.analysis.spectra import CHARGE, VACUUM, C

DALTON = 1.66053906660e-27  # kg


def f_sum(born_sum: float, volume: float, scaling: float = 1.0) -> float:
    """The integral of n(w) alpha(w) over wavenumbers that Born charges demand, 1/cm^2.

    Parameters
    ----------
    born_sum : float
        sum_i Z_i:Z_i / m_i in e^2/Da, latent.
    volume : float
        nm^3.
    scaling : float
        s = sqrt(eps_e): physical Born charges are s times the latent ones.
    """
    per_volume = scaling**2 * born_sum * CHARGE**2 / DALTON / (volume * 1e-27)
    return float(per_volume / (12 * VACUUM * (C * 1e-2) ** 2) * 1e-4)


def parse_bands(text: str) -> list[tuple[float, float]]:
    """Bands from text such as ``0-400,400-1200``, in 1/cm."""
    bands = []
    for part in text.split(","):
        low, separator, high = part.partition("-")
        try:
            band = float(low), float(high)
        except ValueError:
            band = 0.0, 0.0
        if not separator or not 0 <= band[0] < band[1] < np.inf:
            raise ValueError(f"bands is {text!r} with {part!r}; LOW-HIGH in 1/cm, separated by commas, is accepted")
        bands.append(band)
    return bands
