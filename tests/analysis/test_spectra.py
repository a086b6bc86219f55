"""Signals whose spectra are known in closed form."""

import numpy as np
import pytest
from scipy.signal import lfilter

from openmm_polarmp.analysis import infrared, power_spectrum, raman
from openmm_polarmp.analysis.spectra import BOLTZMANN, CHARGE, VACUUM, C, quantum_correction

PER_PS = 1 / (C * 1e-12)  # 1/cm of 1/ps


def line(wavenumber, n, interval, amplitude=1.0, phase=0.3):
    return amplitude * np.cos(2 * np.pi * wavenumber / PER_PS * interval * np.arange(n) + phase)


@pytest.mark.parametrize("window", ["hann", "blackman", "none"])
@pytest.mark.parametrize("wavenumber", [1640.0, 3400.5])
def test_a_harmonic_oscillator_is_one_line_of_the_right_area(window, wavenumber):
    n, interval = 4000, 0.002
    spectrum = power_spectrum(line(wavenumber, n, interval, 1.7), interval, window=window)
    resolution = spectrum.notes["resolution (1/cm)"]
    assert spectrum.peak(100, 8000) == pytest.approx(wavenumber, abs=resolution)
    area = np.trapezoid(spectrum.intensity, spectrum.wavenumber)
    assert area == pytest.approx(1.7**2 / 2, rel=0.01)
    assert resolution == pytest.approx(PER_PS / (n * interval))


def test_two_lines_and_their_areas():
    n, interval = 8000, 0.002
    signal = np.stack([line(600, n, interval, 1.0), line(1640, n, interval, 0.5)], 1)
    spectrum = power_spectrum(signal, interval)
    for wavenumber, amplitude in ((600, 1.0), (1640, 0.5)):
        near = abs(spectrum.wavenumber - wavenumber) < 100
        assert np.trapezoid(spectrum.intensity[near], spectrum.wavenumber[near]) == pytest.approx(
            amplitude**2 / 2, rel=0.01
        )


def test_aliasing_folds_at_the_highest_wavenumber():
    interval = 0.008
    highest = PER_PS / (2 * interval)
    spectrum = power_spectrum(line(highest + 300, 4000, interval), interval)
    assert spectrum.wavenumber[-1] == pytest.approx(highest)
    assert spectrum.peak(100, highest) == pytest.approx(highest - 300, abs=spectrum.notes["resolution (1/cm)"])


def test_a_damped_oscillator_in_a_heat_bath_is_a_lorentzian():
    """An exactly sampled Ornstein-Uhlenbeck pair: <x(0) x(t)> = cos(w t) exp(-g t)."""
    rng = np.random.default_rng(0)
    interval, wavenumber, width = 0.002, 1500.0, 40.0  # half width in 1/cm
    omega, gamma = 2 * np.pi * wavenumber / PER_PS, 2 * np.pi * width / PER_PS
    steps, length = 400_000, 8000
    step = np.exp((-gamma + 1j * omega) * interval)
    kick = np.sqrt((1 - abs(step) ** 2) / 2) * (rng.normal(size=steps) + 1j * rng.normal(size=steps))
    start = (rng.normal() + 1j * rng.normal()) / np.sqrt(2)
    z, _ = lfilter([1.0], [1.0, -step], kick, zi=np.array([step * start]))  # z = step * z + kick
    values = np.sqrt(2) * z.real
    blocks = values.reshape(-1, length)
    spectrum = power_spectrum(list(blocks), interval, padding=1)
    nu = spectrum.wavenumber
    exact = (width / np.pi) / ((nu - wavenumber) ** 2 + width**2) + (width / np.pi) / (
        (nu + wavenumber) ** 2 + width**2
    )
    near = abs(nu - wavenumber) < 3 * width
    assert np.trapezoid(spectrum.intensity, nu) == pytest.approx(1, rel=0.03)
    # the error bars are what they say
    normal = (spectrum.intensity - exact)[near] / spectrum.error[near]
    assert abs(normal.mean()) < 0.5 and 0.6 < normal.std() < 1.6
    assert spectrum.smoothed(10).peak(1000, 2000) == pytest.approx(wavenumber, abs=10)


def test_smoothing_keeps_the_area():
    spectrum = power_spectrum(np.random.default_rng(1).normal(size=2000), 0.002)
    area = np.trapezoid(spectrum.intensity, spectrum.wavenumber)
    assert np.trapezoid(spectrum.smoothed(20).intensity, spectrum.wavenumber) == pytest.approx(area, rel=0.01)


def test_infrared_integrates_to_the_mean_square_current():
    """int n alpha dnu = <J^2> / (12 V kT eps0 c) / c: the sum rule of the definition, for one charge that vibrates."""
    n, interval, wavenumber, amplitude = 8000, 0.001, 1000.0, 0.01
    omega = 2 * np.pi * wavenumber / PER_PS
    dipole = np.stack([line(wavenumber, n, interval, amplitude), np.zeros(n), np.zeros(n)], 1)
    volume, temperature = 2.0, 300.0
    spectrum = infrared(dipole, interval, volume, temperature, scaling=1.5)
    current = (1.5 * amplitude * omega) ** 2 / 2 * (CHARGE * 1e-9 / 1e-12) ** 2  # (C m/s)^2
    expected = current / (12 * volume * 1e-27 * BOLTZMANN * temperature * VACUUM * C * 1e-2) / C / 100
    assert np.trapezoid(spectrum.intensity, spectrum.wavenumber) == pytest.approx(expected, rel=0.01)
    assert spectrum.notes["scaling s"] == 1.5
    direct = np.gradient(dipole, interval, axis=0)
    by_current = infrared(direct, interval, volume, temperature, signal="current", scaling=1.5)
    assert np.trapezoid(by_current.intensity, by_current.wavenumber) == pytest.approx(expected, rel=0.02)


def test_raman_separates_the_isotropic_part():
    n, interval = 4000, 0.002
    breathing, rocking = line(3400, n, interval, 0.3), line(600, n, interval, 0.2)
    series = np.zeros((n, 6))
    series[:, :3] += 10 + breathing[:, None]
    series[:, 3] += rocking
    found = raman(series, interval, 300.0)
    iso, aniso = found["isotropic"], found["anisotropic"]
    assert iso.peak(100, 8000) == pytest.approx(3400, abs=5) and aniso.peak(100, 8000) == pytest.approx(600, abs=5)
    assert np.trapezoid(iso.intensity, iso.wavenumber) == pytest.approx(
        (2 * np.pi * 3400 / PER_PS) ** 2 * 0.3**2 / 2, rel=0.01
    )
    # gamma^2 = 3/2 * 2 * rocking^2
    strength = (2 * np.pi * 600 / PER_PS) ** 2 * 3 * 0.2**2 / 2
    assert np.trapezoid(aniso.intensity, aniso.wavenumber) == pytest.approx(strength, rel=0.01)
    np.testing.assert_allclose(found["VV"].intensity, iso.intensity + 4 / 45 * aniso.intensity)
    np.testing.assert_allclose(found["VH"].intensity, aniso.intensity / 15)


def test_quantum_corrections_obey_detailed_balance():
    nu = np.linspace(1, 4000, 50)
    x = 6.62607015e-34 * C * nu / (BOLTZMANN * 300)
    for name in ("harmonic", "schofield"):
        up = quantum_correction(nu, 300, name, absorption=False)
        down = x / np.expm1(x) if name == "harmonic" else np.exp(-x / 2)
        np.testing.assert_allclose(down / up, np.exp(-x), rtol=1e-9)
        assert quantum_correction(np.array([1e-6]), 300, name, absorption=False)[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: power_spectrum(np.zeros(100), 0.0), "interval is 0.0; a positive time"),
        (lambda: power_spectrum(np.zeros(4), 1.0), "pieces has a block of 4 rows"),
        (lambda: power_spectrum(np.full(100, np.nan), 1.0), "NaN"),
        (lambda: power_spectrum([], 1.0), "shorter than one block"),
        (lambda: power_spectrum(np.zeros(100), 1.0, window="box"), "window is 'box'; 'hann', 'blackman'"),
        (lambda: infrared(np.zeros((100, 3)), 1.0, -1.0, 300.0), "volume is -1.0; a positive"),
        (lambda: infrared(np.zeros((100, 3)), 1.0, 1.0, 300.0, signal="x"), "signal is 'x'"),
        (lambda: raman(np.zeros((100, 3)), 1.0, 300.0), "with columns xx yy zz"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
