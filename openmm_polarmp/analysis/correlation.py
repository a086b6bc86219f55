"""Correlation times of series, which say how many of their values are independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

WINDOW = 5
"""The sum over the correlation function ends after so many correlation times (Sokal), before noise prevails."""


def correlation_steps(series: ArrayLike) -> float:
    """Integrated correlation time in steps, at least 1/2, which uncorrelated values have.

    A series that is not many times as long as its true correlation time gives a value that is too small.

    Parameters
    ----------
    series : array [T] or [T, d]
        The correlations of the d components are added.
    """
    values = np.asarray(series, dtype=float)
    values = values.reshape(len(values), -1)
    values = values - values.mean(0)
    n = len(values)
    power = np.square(np.abs(np.fft.rfft(values, n=2 * n, axis=0))).sum(1)
    correlation = np.fft.irfft(power)[:n] / np.arange(n, 0, -1)
    if not correlation[0] > 0:
        return 0.5
    sums = np.cumsum(correlation) / correlation[0] - 0.5
    ends = np.flatnonzero(np.arange(n) >= WINDOW * sums)
    return float(max(0.5, sums[ends[0] if len(ends) else -1]))


def independent_values(series: ArrayLike) -> float:
    """Number of independent values in a series in any unit: its length by twice its correlation time."""
    return len(np.asarray(series)) / (2 * correlation_steps(series))
