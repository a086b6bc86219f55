"""Dielectric constants, series in files, distributions, measured curves."""

import numpy as np
import pytest

from openmm_polarmp.analysis import (
    Table,
    high_frequency_constant,
    molecular_dipoles,
    read_columns,
    static_dielectric_constant,
)
from openmm_polarmp.analysis.optical import read_absorption


def test_gaussian_dipoles_of_known_variance():
    """CODATA numbers by hand: e^2 nm^2 / (3 eps0 nm^3 k 300 K) = 232.6 for a variance of one in each of three axes, times 3."""
    rng = np.random.default_rng(0)
    dipoles = rng.normal(size=(200_000, 3)) * 0.3 + [5.0, 0, -2]
    found = static_dielectric_constant(dipoles, volume=2.0, temperature=300, scaling=1.2, eps_infinity=1.7, blocks=200)
    expected = 1.7 + (1.602176634e-28**2 / (8.8541878128e-12 * 1e-27 * 1.380649e-23 * 300)) * 0.3**2 * 1.2**2 / 2.0
    assert found.value == pytest.approx(expected, rel=0.01)
    # 600,000 independent values, whose variance is known to sqrt(2/n); 200 blocks tell that to a twentieth
    assert found.error == pytest.approx((expected - 1.7) * np.sqrt(2 / 600_000), rel=0.2)
    assert "scaling s = 1.2" in str(found)


def test_the_error_knows_the_correlation_time():
    """Against the scatter of independent series, correlated over 20 steps, and of uncorrelated ones."""
    factor = 1.602176634e-28**2 / (3 * 8.8541878128e-12 * 1e-27 * 1.380649e-23 * 300)
    for steps in (0.0, 20.0):
        rng, kept = np.random.default_rng(1), np.exp(-1 / steps) if steps else 0.0
        noise = np.sqrt(1 - kept**2) * rng.normal(size=(20_000, 60, 3))
        series = np.zeros_like(noise)
        for i in range(1, len(series)):
            series[i] = kept * series[i - 1] + noise[i]
        constants = [static_dielectric_constant(series[:, k], 1.0, 300.0) for k in range(60)]
        deviations = np.array([(c.value - 1 - 3 * factor) / c.error for c in constants])
        assert 0.75 < np.sqrt((deviations**2).mean()) < 1.3
        independent = len(series) * (1 - kept) / (1 + kept)  # of a chain with this memory
        assert np.median([c.independent for c in constants]) == pytest.approx(independent, rel=0.15)


def test_high_frequency_constant_of_a_lattice():
    """One polarizability of 1.44 A^3 per 29.9 A^3, the volume of a water molecule."""
    series = np.tile([1.44, 1.44, 1.44, 0.1, 0.2, 0.3], (10, 1))
    assert high_frequency_constant(series, 0.0299) == pytest.approx(1 + 4 * np.pi * 1.44 / 29.9)


def test_dipoles_of_molecules():
    positions = np.array([[0.0, 0, 0], [0.1, 0, 0], [5, 5, 5], [5, 5.1, 5]])
    charges = np.array([-0.5, 0.5, 1.0, -1.0])
    dipoles = np.zeros((4, 3))
    dipoles[1, 2] = 0.02
    found = molecular_dipoles(positions, charges, dipoles, [np.array([0, 1]), np.array([2, 3])])
    np.testing.assert_allclose(found, [[0.05, 0, 0.02], [0, -0.1, 0]], atol=1e-12)


def write(path, rows, tail=""):
    lines = [f"{i},{0.002 * (i + 1):.6g},{i},{i * i}" for i in range(rows)]
    path.write_text("step,time (ps),a,b\n" + "\n".join(lines) + "\n" + tail)
    return path


def test_a_series_is_read_in_overlapping_pieces(tmp_path):
    table = Table(write(tmp_path / "s.csv", 10), ["b", "a"])
    pieces = list(table.pieces(4, overlap=2))
    assert [p[:, 1].tolist() for p in pieces] == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]]
    assert table.interval == pytest.approx(0.002) and table.rows == 10 and not table.cut_off
    assert read_columns(tmp_path / "s.csv", ["a"])[1].shape == (10, 1)


def test_a_file_that_a_kill_cut_off(tmp_path):
    table = Table(write(tmp_path / "s.csv", 10, tail="10,0.022,10,1"), ["a"])
    assert sum(len(p) for p in table.pieces(5)) == 10
    assert table.cut_off and table.rows == 10


def test_what_is_no_series(tmp_path):
    path = write(tmp_path / "s.csv", 5)
    with pytest.raises(ValueError, match=r"with the columns step, time .*; files with a column 'c'"):
        Table(path, ["c"])
    with pytest.raises(FileNotFoundError):
        Table(tmp_path / "none.csv", ["a"])
    path.write_text(path.read_text() + "9,0.5,1,1\n")
    with pytest.raises(ValueError, match=r"0.5 ps in row 6 follows 0.01 ps; rows at equal intervals, here 0.002 ps"):
        list(Table(path, ["a"]).pieces(2))
    with pytest.raises(ValueError, match="with 1 rows"):
        Table(write(path, 1), ["a"])


def test_measured_optical_constants(tmp_path):
    path = tmp_path / "nk.yml"
    path.write_text("DATA:\n  - type: tabulated nk\n    data: |\n        2.0 1.3 0.001\n        6.25 1.3 0.1\n")
    wavenumber, absorption = read_absorption(path)
    np.testing.assert_allclose(wavenumber, [1600, 5000])
    np.testing.assert_allclose(absorption[0], 1.3 * 4 * np.pi * 0.1 * 1600)
    path.write_text("DATA:\n  - type: formula 1\n    coefficients: 1 2\n")
    with pytest.raises(ValueError, match="with formula 1; a file with 'tabulated nk'"):
        read_absorption(path)
