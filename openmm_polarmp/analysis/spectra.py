"""Spectra of equally spaced signals: infrared from the polarization, Raman from the polarizability."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

C = 2.99792458e10  # cm/s
BOLTZMANN = 1.380649e-23  # J/K
PLANCK = 6.62607015e-34  # J s
VACUUM = 8.8541878128e-12  # F/m
CHARGE = 1.602176634e-19  # C

WINDOWS: dict[str, Callable[[int], NDArray]] = {"hann": np.hanning, "blackman": np.blackman, "none": np.ones}
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
        Standard error of the mean over the blocks; None for a single block.
    unit : str
    notes : dict
        How it was made: blocks, resolution, window, correction, scaling.
    """

    wavenumber: NDArray
    intensity: NDArray
    error: NDArray | None
    unit: str
    notes: dict = field(default_factory=dict)

    def smoothed(self, width: float) -> Spectrum:
        """Convolved with a Gaussian of that standard deviation in 1/cm; the area stays."""
        step = self.wavenumber[1] - self.wavenumber[0]
        reach = int(4 * width / step) + 1
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
        kernel /= kernel.sum()

        def convolve(values: NDArray) -> NDArray:
            # The spectrum of a real signal is even: what leaves at zero comes back.
            mirrored = np.concatenate([values[reach:0:-1], values, np.zeros(reach)])
            return np.convolve(mirrored, kernel, "valid")[: len(values)]

        error = None if self.error is None else np.sqrt(convolve(self.error**2))
        return Spectrum(self.wavenumber, convolve(self.intensity), error, self.unit, {**self.notes, "smoothing": width})

    def peak(self, low: float, high: float) -> float:
        """Wavenumber of the highest point between two wavenumbers, refined by a parabola through its neighbours."""
        inside = np.flatnonzero((self.wavenumber >= low) & (self.wavenumber <= high))
        top = inside[self.intensity[inside].argmax()]
        if top in (0, len(self.wavenumber) - 1):
            return float(self.wavenumber[top])
        a, b, c = self.intensity[top - 1 : top + 2]
        shift = 0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c != 0 else 0.0
        return float(self.wavenumber[top] + shift * (self.wavenumber[1] - self.wavenumber[0]))


def power_spectrum(
    pieces: Iterable[NDArray] | NDArray,
    interval: float,
    *,
    window: str = "hann",
    padding: int = 4,
    weights: NDArray | None = None,
    remove_mean: bool = True,
) -> Spectrum:
    """
    One-sided power spectral density, its integral over wavenumbers the mean square of the signal.

    Parameters
    ----------
    pieces
        Blocks [T, d] of equal length, or one array [T, d]; the densities of the d components are added
    interval
        Between rows, ps
    window
        ``hann``, ``blackman`` or ``none``
    padding
        Zeros are added up to so many times the length: a finer grid, not a finer resolution
    weights
        Of the components, [d]
    remove_mean
        Subtract each block's mean
    """
    if window not in WINDOWS:
        raise ValueError(f"window: expected one of {', '.join(WINDOWS)}, got {window!r}")
    if not interval > 0:
        raise ValueError(f"interval: expected a positive time in ps, got {interval}")
    blocks = [pieces] if isinstance(pieces, np.ndarray) else pieces
    total, squares, count, length = 0.0, 0.0, 0, 0
    for block in blocks:
        block = np.asarray(block, dtype=float)
        block = block[:, None] if block.ndim == 1 else block
        length = len(block)
        if length < 8:
            raise ValueError(f"pieces: a block of {length} rows is too short for a spectrum")
        if not np.isfinite(block).all():
            raise ValueError("pieces: NaN or infinite values in the signal")
        if remove_mean:
            block = block - block.mean(0)
        taper = WINDOWS[window](length)
        transform = np.fft.rfft(block * taper[:, None], n=padding * length, axis=0)
        power = (np.abs(transform) ** 2 * (1.0 if weights is None else weights)).sum(1)
        density = 2 * power * interval / (taper**2).sum()  # per 1/ps
        density[0] /= 2
        total, squares, count = total + density, squares + density**2, count + 1
    if count == 0:
        raise ValueError("pieces: the series is shorter than one block")
    per_wavenumber = C * 1e-12  # 1/ps in a wavenumber of 1/cm
    mean = total / count
    error = None
    if count > 1:
        error = np.sqrt(np.maximum(squares / count - mean**2, 0) / (count - 1)) * per_wavenumber
    wavenumber = np.fft.rfftfreq(padding * length, interval) / per_wavenumber
    notes = {"blocks": count, "resolution (1/cm)": 1 / (length * interval * per_wavenumber), "window": window}
    return Spectrum(wavenumber, mean * per_wavenumber, error, "signal^2 cm", notes)


def infrared(
    pieces: Iterable[NDArray] | NDArray,
    interval: float,
    volume: float,
    temperature: float,
    *,
    signal: str = "dipole",
    scaling: float = 1.0,
    correction: str = "none",
    **options,
) -> Spectrum:
    """
    Absorption, refractive index times absorption coefficient, in 1/cm.

    n(w) alpha(w) = 1/(3 V kT eps0 c) int_0^inf <J(0).J(t)> cos(wt) dt, with the current J = dP/dt.

    Parameters
    ----------
    pieces, interval, options
        As for `power_spectrum`: [T, 3]
    volume
        nm^3
    temperature
        K
    signal
        ``dipole``: P in e nm, whose derivative is taken; ``current``: J in e nm/ps
    scaling
        s = sqrt(eps_e): latent moments times s are the physical ones
    correction
        Quantum correction of classical nuclei: ``none`` (the same as ``harmonic`` for absorption), ``schofield``
    """
    if signal not in ("dipole", "current"):
        raise ValueError(f"signal: expected 'dipole' or 'current', got {signal!r}")
    for name, value in (("volume", volume), ("temperature", temperature)):
        if not value > 0:
            raise ValueError(f"{name}: expected a positive number, got {value}")
    density = power_spectrum(pieces, interval, **options)
    omega = 2 * np.pi * density.wavenumber * C * 1e-12  # rad/ps
    factor = omega**2 if signal == "dipole" else np.ones_like(omega)
    # one-sided density per Hz is 4 int_0^inf C(t) cos(wt) dt
    si = (CHARGE * 1e-9 / 1e-12) ** 2 * 1e-12  # (e nm/ps)^2 ps -> (C m/s)^2 s
    factor = (
        factor * scaling**2 * si / (C * 1e-12) / (12 * volume * 1e-27 * BOLTZMANN * temperature * VACUUM * C * 1e-2)
    )
    factor = (
        factor * 1e-2 * quantum_correction(density.wavenumber, temperature, correction, absorption=True)
    )  # 1/m -> 1/cm
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
    **options,
) -> dict[str, Spectrum]:
    """
    Reduced Raman spectra ``isotropic``, ``anisotropic``, ``VV`` and ``VH`` from the polarizability.

    w^2 times the power spectra of tr(alpha)/3 and of sqrt(3/2) times the traceless part; VV = iso + 4/45 aniso,
    VH = aniso / 15.

    Parameters
    ----------
    pieces, interval, options
        As for `power_spectrum`: [T, 6], xx yy zz xy xz yz
    temperature
        K, for the quantum correction
    scaling
        s = sqrt(eps_e): the latent polarizability times s^2 is the physical one
    """
    blocks = [pieces] if isinstance(pieces, np.ndarray) else list(pieces)
    isotropic, anisotropic = [], []
    for block in blocks:
        if np.ndim(block) != 2 or block.shape[1] != 6:
            raise ValueError(f"pieces: expected rows xx yy zz xy xz yz, got shape {np.shape(block)}")
        trace = block[:, :3].mean(1, keepdims=True)
        isotropic.append(trace)
        anisotropic.append(np.concatenate([block[:, :3] - trace, block[:, 3:]], axis=1))
    found = {
        "isotropic": power_spectrum(isotropic, interval, **options),
        # each off-diagonal element stands for two; gamma^2 = 3/2 beta:beta
        "anisotropic": power_spectrum(anisotropic, interval, weights=1.5 * np.array([1, 1, 1, 2, 2, 2.0]), **options),
    }
    for name, density in found.items():
        omega = 2 * np.pi * density.wavenumber * C * 1e-12
        factor = (
            scaling**4 * omega**2 * quantum_correction(density.wavenumber, temperature, correction, absorption=False)
        )
        error = None if density.error is None else density.error * factor
        notes = {**density.notes, "correction": correction, "scaling s": scaling}
        found[name] = Spectrum(density.wavenumber, density.intensity * factor, error, "arbitrary", notes)
    iso, aniso = found["isotropic"], found["anisotropic"]
    for name, a, b in (("VV", 1.0, 4 / 45), ("VH", 0.0, 1 / 15)):
        error = None
        if iso.error is not None and aniso.error is not None:
            error = np.hypot(a * iso.error, b * aniso.error)
        intensity = a * iso.intensity + b * aniso.intensity
        found[name] = Spectrum(iso.wavenumber, intensity, error, "arbitrary", iso.notes)
    return found


def quantum_correction(wavenumber: NDArray, temperature: float, name: str, *, absorption: bool) -> NDArray:
    """
    Factor for a spectrum of classical nuclei.

    For absorption the classical formula already is the harmonic correction's result. For scattering, where detailed
    balance is not contained, ``harmonic`` is x / (1 - exp(-x)) with x = h c wavenumber / kT. ``schofield`` is exp(x/2)
    for scattering, and for absorption the same times (1 - exp(-x)) / x.
    """
    if name not in CORRECTIONS:
        raise ValueError(f"correction: expected one of {', '.join(CORRECTIONS)}, got {name!r}")
    x = PLANCK * C * np.maximum(wavenumber, 1e-9) / (BOLTZMANN * temperature)
    if name == "none" or (name == "harmonic" and absorption):
        return np.ones_like(x)
    if name == "harmonic":
        return x / -np.expm1(-x)
    factor = np.exp(x / 2)
    return factor * -np.expm1(-x) / x if absorption else factor
