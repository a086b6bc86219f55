"""Spectra of equally spaced signals: infrared from the polarization, Raman from the polarizability."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

C = 2.99792458e10  # cm/s
BOLTZMANN = 1.380649e-23  # J/K
PLANCK = 6.62607015e-34  # J s
VACUUM = 8.8541878128e-12  # F/m
CHARGE = 1.602176634e-19  # C

WINDOWS: dict[str, Callable[[int], NDArray]] = {"hann": np.hanning, "blackman": np.blackman, "none": np.ones}
ROUNDING = 1e-7
"""Relative size of fluctuations that are none."""
CORRECTIONS = ("none", "harmonic", "schofield")


@dataclass
class Spectrum:
    """A curve over wavenumbers.

    Attributes
    ----------
    wavenumber : array
        1/cm.
    intensity : array
        In ``unit``.
    error : array or None
        Standard error of the mean over the blocks, in ``unit``; None for a single block.
    unit : str
        Unit of the intensity.
    notes : dict
        Parameters of the calculation: blocks, resolution, window, correction, scaling.
    """

    wavenumber: NDArray
    intensity: NDArray
    error: NDArray | None
    unit: str
    notes: dict[str, Any] = field(default_factory=dict)

    def smoothed(self, width: float) -> Spectrum:
        """The spectrum convolved with a normalized Gaussian of standard deviation ``width`` (1/cm)."""
        step = self.wavenumber[1] - self.wavenumber[0]
        reach = int(4 * width / step) + 1
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
        kernel /= kernel.sum()

        def convolve(values: NDArray) -> NDArray:
            # The spectrum of a real signal is even: the mirror image continues it below zero.
            mirrored = np.concatenate([values[reach:0:-1], values, np.zeros(reach)])
            return np.convolve(mirrored, kernel, "valid")[: len(values)]

        error = None if self.error is None else np.sqrt(convolve(self.error**2))
        return Spectrum(self.wavenumber, convolve(self.intensity), error, self.unit, {**self.notes, "smoothing": width})

    def integral(self, low: float, high: float) -> float:
        """Integral over the wavenumbers from low to high (1/cm), in ``unit`` times 1/cm."""
        step = self.wavenumber[1] - self.wavenumber[0]
        edges = np.clip([self.wavenumber - step / 2, self.wavenumber + step / 2], low, high)
        return float(self.intensity @ (edges[1] - edges[0]))

    def peak(self, low: float, high: float) -> float | None:
        """Wavenumber of the highest point between two wavenumbers (1/cm), refined by a parabola through its neighbours.

        None if no point between them is higher than both its neighbours, as where the spectrum rises towards its end or is zero.
        """
        middle = self.intensity[1:-1]
        inside = (self.wavenumber[1:-1] >= low) & (self.wavenumber[1:-1] <= high)
        tops = np.flatnonzero(inside & (middle > self.intensity[:-2]) & (middle >= self.intensity[2:])) + 1
        if len(tops) == 0:
            return None
        top = tops[self.intensity[tops].argmax()]
        a, b, c = self.intensity[top - 1 : top + 2]
        shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c != 0 else 0.0
        return float(self.wavenumber[top] + shift * (self.wavenumber[1] - self.wavenumber[0]))


def average(spectra: Sequence[Spectrum]) -> Spectrum:
    """The mean of the spectra of independent runs on the same wavenumbers, each as heavy as it has blocks.

    The error is that of the runs' own errors, or of the scatter of the runs where one of them is a single block.
    """
    first = spectra[0]
    if len(spectra) == 1:
        return first
    if any(not np.array_equal(spectrum.wavenumber, first.wavenumber) for spectrum in spectra):
        raise ValueError("spectra differ in their wavenumbers; runs with rows at equal intervals are accepted")
    blocks = np.array([spectrum.notes["blocks"] for spectrum in spectra])
    weights = (blocks / blocks.sum())[:, None]
    intensities = np.array([spectrum.intensity for spectrum in spectra])
    mean = (weights * intensities).sum(0)
    errors = [spectrum.error for spectrum in spectra if spectrum.error is not None]
    if len(errors) == len(spectra):
        error = np.sqrt(((weights * np.array(errors)) ** 2).sum(0))
    else:
        error = np.sqrt((weights * (intensities - mean) ** 2).sum(0) / (len(spectra) - 1))
    return replace(
        first, intensity=mean, error=error, notes={**first.notes, "runs": len(spectra), "blocks": int(blocks.sum())}
    )


def power_spectrum(
    pieces: Iterable[NDArray] | NDArray,
    interval: float,
    *,
    window: str = "hann",
    padding: int = 4,
    weights: NDArray | None = None,
    remove_mean: bool = True,
    overlap: float = 0.0,
) -> Spectrum:
    """One-sided power spectral density, whose integral over wavenumbers is the mean square of the signal.

    Parameters
    ----------
    pieces : array [T, d] or iterable of arrays
        The signal, or its blocks of equal length; the densities of the d components are added.
    interval : float
        Time between rows, ps.
    window : str
        ``hann``, ``blackman`` or ``none``.
    padding : int
        Zeros extend each block to this multiple of its length: the grid becomes finer, the resolution does not.
    weights : array [d], optional
        Weights of the components.
    remove_mean : bool
        Subtract each block's mean.
    overlap : float
        Fraction of a block that the next one shares with it: such blocks are correlated, which the error takes into account.
    """
    if window not in WINDOWS:
        raise ValueError(f"window is {window!r}; {', '.join(map(repr, WINDOWS))} are accepted")
    if not interval > 0:
        raise ValueError(f"interval is {interval}; a positive time in ps is accepted")
    blocks = [pieces] if isinstance(pieces, np.ndarray) else pieces
    total, squares = np.zeros(()), np.zeros(())
    count = length = 0
    for block in blocks:
        block = np.asarray(block, dtype=float)
        block = block[:, None] if block.ndim == 1 else block
        length = len(block)
        if length < 8:
            raise ValueError(f"pieces has a block of {length} rows; at least 8 are accepted")
        if not np.isfinite(block).all():
            raise ValueError("pieces has NaN or infinite values; finite numbers are accepted")
        if remove_mean:
            block = block - block.mean(0)
        taper = WINDOWS[window](length)
        transform = np.fft.rfft(block * taper[:, None], n=padding * length, axis=0)
        power = (np.abs(transform) ** 2 * (1.0 if weights is None else weights)).sum(1)
        density = 2 * power * interval / (taper**2).sum()  # per 1/ps
        density[0] /= 2
        total, squares, count = total + density, squares + density**2, count + 1
    if count == 0:
        raise ValueError("pieces is empty, as the series is shorter than one block; at least one block is accepted")
    per_wavenumber = C * 1e-12  # 1/ps in a wavenumber of 1/cm
    mean = total / count
    error = None
    if count > 1:
        variance = np.maximum(squares / count - mean**2, 0) / (count - 1)
        error = np.sqrt(variance * (1 + 2 * _block_correlation(WINDOWS[window](length), overlap))) * per_wavenumber
    wavenumber = np.fft.rfftfreq(padding * length, interval) / per_wavenumber
    notes = {"blocks": count, "resolution (1/cm)": 1 / (length * interval * per_wavenumber), "window": window}
    return Spectrum(wavenumber, mean * per_wavenumber, error, "signal^2 cm", notes)


def _block_correlation(taper: NDArray, overlap: float) -> float:
    """Correlation of the power densities of two successive blocks of white noise."""
    shared = round(overlap * len(taper))
    if shared == 0:
        return 0.0
    return float((taper[:shared] @ taper[-shared:] / (taper @ taper)) ** 2)


def infrared(
    pieces: Iterable[NDArray] | NDArray,
    interval: float,
    volume: float,
    temperature: float,
    *,
    signal: str = "dipole",
    scaling: float = 1.0,
    correction: str = "none",
    **options: Any,
) -> Spectrum:
    """Infrared spectrum: refractive index times absorption coefficient, in 1/cm.

    n(w) alpha(w) = 1/(3 V kT eps0 c) int_0^inf <J(0).J(t)> cos(wt) dt, with the current J = dP/dt.

    Parameters
    ----------
    pieces, interval, options
        As for `power_spectrum`, with three components.
    volume : float
        nm^3.
    temperature : float
        K.
    signal : str
        ``dipole``: P in e nm, whose derivative is taken; ``current``: J in e nm/ps.
    scaling : float
        s = sqrt(eps_e): physical moments are s times the latent ones.
    correction : str
        Quantum correction of classical nuclei: ``none`` (the same as ``harmonic`` for absorption), ``schofield``.
    """
    if signal not in ("dipole", "current"):
        raise ValueError(f"signal is {signal!r}; 'dipole' and 'current' are accepted")
    for name, value in (("volume", volume), ("temperature", temperature)):
        if not value > 0:
            raise ValueError(f"{name} is {value}; a positive number is accepted")
    density = power_spectrum(pieces, interval, **options)
    omega = 2 * np.pi * density.wavenumber * C * 1e-12  # rad/ps
    factor = omega**2 if signal == "dipole" else np.ones_like(omega)
    # The one-sided density per Hz is 4 int_0^inf C(t) cos(wt) dt.
    si = (CHARGE * 1e-9 / 1e-12) ** 2 * 1e-12  # (e nm/ps)^2 ps -> (C m/s)^2 s
    thermal = 12 * volume * 1e-27 * BOLTZMANN * temperature * VACUUM * C * 1e-2
    factor = factor * scaling**2 * si / (C * 1e-12) / thermal * 1e-2  # 1/m -> 1/cm
    factor = factor * quantum_correction(density.wavenumber, temperature, correction, absorption=True)
    notes = {**density.notes, "correction": correction, "scaling s": scaling, "signal": signal}
    error = None if density.error is None else density.error * factor
    return Spectrum(density.wavenumber, density.intensity * factor, error, "1/cm", notes)


def raman(
    pieces: Iterable[NDArray] | NDArray,
    interval: float,
    temperature: float,
    *,
    scaling: float = 1.0,
    correction: str = "none",
    **options: Any,
) -> dict[str, Spectrum]:
    """Reduced Raman spectra ``isotropic``, ``anisotropic``, ``VV`` and ``VH`` from the polarizability.

    w^2 times the power spectra of tr(alpha)/3 and of sqrt(3/2) times the traceless part; VV = iso + 4/45 aniso,
    VH = aniso / 15.

    Parameters
    ----------
    pieces, interval, options
        As for `power_spectrum`, with the components xx, yy, zz, xy, xz, yz.
    temperature : float
        K, for the quantum correction.
    scaling : float
        s = sqrt(eps_e): the physical polarizability is s^2 times the latent one.
    correction : str
        Quantum correction of classical nuclei: ``none``, ``harmonic`` or ``schofield``.

    Returns
    -------
    dict
        Spectrum by name.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; a positive number is accepted")
    blocks = [pieces] if isinstance(pieces, np.ndarray) else list(pieces)
    isotropic: list[NDArray] = []
    anisotropic: list[NDArray] = []
    for block in blocks:
        if np.ndim(block) != 2 or block.shape[1] != 6:
            raise ValueError(f"pieces has shape {np.shape(block)}; [T, 6] is accepted, with columns xx yy zz xy xz yz")
        trace = block[:, :3].mean(1, keepdims=True)
        isotropic.append(trace)
        anisotropic.append(np.concatenate([block[:, :3] - trace, block[:, 3:]], axis=1))
    for parts in (isotropic, anisotropic):
        # What fluctuates by no more than the rounding of a file would become peaks of nothing.
        rounding = ROUNDING * max(float(np.abs(trace).mean()) for trace in isotropic)
        if all(float(part.std(0).max()) <= rounding for part in parts):
            parts[:] = [np.zeros_like(part) for part in parts]
    spectra = {
        "isotropic": power_spectrum(isotropic, interval, **options),
        # each off-diagonal element stands for two; gamma^2 = 3/2 beta:beta
        "anisotropic": power_spectrum(anisotropic, interval, weights=1.5 * np.array([1, 1, 1, 2, 2, 2.0]), **options),
    }
    for name, density in spectra.items():
        omega = 2 * np.pi * density.wavenumber * C * 1e-12
        quantum = quantum_correction(density.wavenumber, temperature, correction, absorption=False)
        factor = scaling**4 * omega**2 * quantum
        error = None if density.error is None else density.error * factor
        notes = {**density.notes, "correction": correction, "scaling s": scaling}
        spectra[name] = Spectrum(density.wavenumber, density.intensity * factor, error, "arbitrary", notes)
    iso, aniso = spectra["isotropic"], spectra["anisotropic"]
    for name, a, b in (("VV", 1.0, 4 / 45), ("VH", 0.0, 1 / 15)):
        error = None
        if iso.error is not None and aniso.error is not None:
            error = np.hypot(a * iso.error, b * aniso.error)
        intensity = a * iso.intensity + b * aniso.intensity
        spectra[name] = Spectrum(iso.wavenumber, intensity, error, "arbitrary", iso.notes)
    return spectra


def quantum_correction(wavenumber: NDArray, temperature: float, name: str, *, absorption: bool) -> NDArray:
    """Quantum correction factor for a spectrum of classical nuclei.

    With x = h c wavenumber / kT, for scattering ``harmonic`` is x / (1 - exp(-x)), which restores detailed balance, and
    ``schofield`` is exp(x/2). For absorption the classical formula contains the harmonic correction already, and
    ``schofield`` is exp(x/2) (1 - exp(-x)) / x.

    Parameters
    ----------
    wavenumber : array
        1/cm.
    temperature : float
        K.
    name : str
        ``none``, ``harmonic`` or ``schofield``.
    absorption : bool
        Whether the spectrum is one of absorption or of scattering.
    """
    if name not in CORRECTIONS:
        raise ValueError(f"correction is {name!r}; {', '.join(map(repr, CORRECTIONS))} are accepted")
    x = PLANCK * C * np.maximum(wavenumber, 1e-9) / (BOLTZMANN * temperature)
    if name == "none" or (name == "harmonic" and absorption):
        return np.ones_like(x)
    if name == "harmonic":
        return x / -np.expm1(-x)
    factor = np.exp(x / 2)
    return factor * -np.expm1(-x) / x if absorption else factor
