"""The plot of `polarmp demo`."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from openmm import app

from openmm_polarmp.analysis import Spectrum, f_sum, infrared
from openmm_polarmp.reporters.columns import BORN_COLUMN, DIPOLE_COLUMNS, POLARIZATION_COLUMNS


def read_table(path: Path) -> tuple[list[str], NDArray]:
    """Read the titles and the rows of a reporter's file."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return rows[0], np.array(rows[1:], dtype=float)


def short_infrared(
    titles: list[str], dipoles: NDArray, volume: float, temperature: float, smooth: float = 40.0
) -> Spectrum | None:
    """Infrared spectrum (latent scale) of the last three quarters of a run; None if these are less than 100 rows.

    Parameters
    ----------
    titles : list of str
        Of the columns.
    dipoles : array
        Rows of a DipoleReporter's file.
    volume : float
        nm^3.
    temperature : float
        K.
    smooth : float
        Width of the Gaussian that the spectrum is convolved with, 1/cm.
    """
    rows = dipoles[len(dipoles) // 4 :]
    if len(rows) < 100:
        return None
    interval = float(rows[1, 1] - rows[0, 1])
    whole = POLARIZATION_COLUMNS[0] in titles
    columns = [*(POLARIZATION_COLUMNS if whole else DIPOLE_COLUMNS[:3]), *DIPOLE_COLUMNS[3:]]
    totals = rows[:, [titles.index(column) for column in columns]].reshape(len(rows), 3, 3).sum(1)
    spectrum = infrared([totals], interval, volume, temperature)
    if BORN_COLUMN in titles:
        expected = f_sum(rows[:, titles.index(BORN_COLUMN)].mean(), volume)
        print(
            f"Infrared, latent: integral up to 4170 1/cm {spectrum.integral(0, 4170):.3g} 1/cm^2, "
            f"f-sum of the model's Born charges {expected:.3g} 1/cm^2"
        )
    return spectrum.smoothed(smooth)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Nothing on the standard output and error, not even from C code, as mdtraj's readers write there."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for descriptor in (1, 2):
            os.dup2(nothing, descriptor)
        yield
    finally:
        for descriptor, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(nothing)


def plot_demo(
    energies: Path,
    dipoles: Path,
    trajectory: Path,
    molecular_dipoles: NDArray,
    topology: app.Topology,
    temperature: float,
    target: Path,
) -> bool:
    """Plot energy, temperature, O-O g(r), molecular dipoles, their distribution and a first infrared spectrum.

    Parameters
    ----------
    energies, dipoles, trajectory : Path
        Files of the run's reporters.
    molecular_dipoles : array [M]
        Latent magnitudes along the run, D.
    topology : openmm.app.Topology
        Of the box.
    temperature : float
        K.
    target : Path
        PNG to write.

    Returns
    -------
    bool
        False, after a message, where the plotting libraries are missing.
    """
    try:
        import matplotlib
        import mdtraj
    except ImportError as error:
        print(f"No plot: {error}. Install it with: pip install 'openmm-polarmp[plot]'")
        return False
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    _, energy = read_table(energies)
    titles, dipole = read_table(dipoles)
    with tempfile.TemporaryDirectory() as plain:  # mdtraj's reader takes paths of ASCII letters only
        copy = shutil.copy(trajectory, Path(plain) / "water.dcd")
        with _silent():
            frames = mdtraj.load_dcd(str(copy), top=mdtraj.Topology.from_openmm(topology))
    frames = frames[len(frames) // 4 :]
    oxygens = frames.topology.select("element O")
    pairs = frames.topology.select_pairs(oxygens, oxygens)
    largest = 0.5 * float(frames.unitcell_lengths.min())
    r, g = mdtraj.compute_rdf(frames, pairs, r_range=(0.2, largest), bin_width=0.005)

    figure, axes = plt.subplots(2, 3, figsize=(12, 6), layout="constrained")
    for axis, x, y, ylabel, xlabel in (
        (axes[0, 0], energy[:, 1], energy[:, 2], "potential energy (kJ/mol)", "time (ps)"),
        (axes[0, 1], energy[:, 1], energy[:, 4], "temperature (K)", "time (ps)"),
        (axes[0, 2], 10 * r, g, "g(r) of O-O", "r (A)"),
        (axes[1, 0], dipole[:, 1], dipole[:, 11], "mean molecular dipole, latent (D)", "time (ps)"),
    ):
        axis.plot(x, y, lw=1)
        axis.set(xlabel=xlabel, ylabel=ylabel)
    axes[1, 1].hist(molecular_dipoles, bins=40, density=True, histtype="stepfilled", alpha=0.6)
    axes[1, 1].set(xlabel="molecular dipole, latent (D)", ylabel="probability density (1/D)")
    volume = float(frames.unitcell_volumes[-1])
    spectrum = short_infrared(titles, dipole, volume, temperature)
    if spectrum is None:
        axes[1, 2].text(0.5, 0.5, "too short a run for a spectrum", ha="center", transform=axes[1, 2].transAxes)
    else:
        shown = spectrum.wavenumber < 4500
        axes[1, 2].plot(spectrum.wavenumber[shown], spectrum.intensity[shown], lw=1)
    axes[1, 2].set(
        xlabel="wavenumber (1/cm)", ylabel="n alpha, latent (1/cm)", title="infrared: short, a first look only"
    )
    figure.suptitle(f"Water, {len(oxygens)} molecules, {energy[-1, 1]:.2f} ps: a demonstration, not a result")
    figure.savefig(target, dpi=120)
    plt.close(figure)
    return True
