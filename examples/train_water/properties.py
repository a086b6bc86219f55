"""What a run of validate.py says of liquid water: structure, density, diffusion, dielectric constant, drift of the energy.

    python examples/train_water/properties.py out --experiment exp-goo-T295.1K --plot structure.png

Every number has its standard error, from ten blocks of a series or from the pieces. EXPERIMENT: a table of distances in A and
g(r) of oxygen (Skinner et al. 2014). Measured near 300 K: density 0.997 g/cm^3, diffusion 2.4e-5 cm^2/s,
dielectric constant 77.8, dipole of a molecule about 2.9 D.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import mdtraj
import numpy as np
from numpy.typing import NDArray
from validate import EPS_INF, TEMPERATURE

from openmm_polarmp.analysis import high_frequency_constant, read_columns, static_dielectric_constant
from openmm_polarmp.analysis.spectra import BOLTZMANN
from openmm_polarmp.reporters.columns import (
    DIPOLE_COLUMNS,
    MEAN_COLUMN,
    POLARIZABILITY_COLUMNS,
    SCALE_COLUMN,
    VOLUME_COLUMN,
)

SETTLING = 0.1  # share of a part that is left out
BLOCKS = 10
LAGS = (2.0, 8.0)  # ps, between which the mean square displacement is a line
GAS = 8.314462618e-3  # kJ/mol/K
VISCOSITY = 0.854e-3  # Pa s, of water at 300 K
HASIMOTO = 2.837297  # of a cubic box


def column(path: Path, name: str) -> NDArray:
    """A column of one of OpenMM's tables."""
    with path.open() as stream:
        rows = list(csv.reader(stream))
    head = [title.strip('#"') for title in rows[0]]
    return np.array([float(row[head.index(name)]) for row in rows[1:]])


def settled(values: NDArray) -> NDArray:
    return values[round(SETTLING * len(values)) :]


def mean_and_error(values: NDArray) -> tuple[NDArray, NDArray]:
    """Mean along the first axis and its standard error from blocks."""
    means = np.array([block.mean(0) for block in np.array_split(values, min(BLOCKS, len(values)))])
    return values.mean(0), means.std(0, ddof=1) / np.sqrt(len(means))


def trajectory(folder: Path, part: str) -> mdtraj.Trajectory:
    """A part's frames."""
    files = sorted(str(path) for path in folder.glob(f"{part}-0*.dcd"))
    return mdtraj.load(files, top=str(folder / "start.pdb"))


def structure(folder: Path) -> tuple[NDArray, NDArray, NDArray]:
    """Distances (A), g(r) of oxygen and its error."""
    frames = trajectory(folder, "nvt")
    frames = frames[round(SETTLING * len(frames)) :]
    pairs = frames.topology.select_pairs("element O", "element O")
    reach = 0.5 * float(frames.unitcell_lengths.min())
    blocks = [
        mdtraj.compute_rdf(frames[rows], pairs, r_range=(0.2, reach), bin_width=0.005)
        for rows in np.array_split(np.arange(len(frames)), min(BLOCKS, len(frames)))
    ]
    curves = np.array([g for _, g in blocks])
    return 10 * blocks[0][0], curves.mean(0), curves.std(0, ddof=1) / np.sqrt(len(curves))


def diffusion(folder: Path, part: str) -> float:
    """The diffusion constant of a piece in 1e-5 cm^2/s, in the box as it is."""
    frames = trajectory(folder, part)
    oxygens = 10 * frames.xyz[:, frames.topology.select("element O")]
    interval = column(folder / f"{part}-energies.csv", "Time (ps)")[-1] / len(frames)
    longest = min(LAGS[1], 0.5 * len(frames) * interval)
    lags = np.arange(round(LAGS[0] / interval), round(longest / interval))
    squares = [float(((oxygens[lag:] - oxygens[:-lag]) ** 2).sum(2).mean()) for lag in lags]
    return float(10 * np.polyfit(lags * interval, squares, 1)[0] / 6)  # A^2/ps = 1e-4 cm^2/s


def drift(folder: Path, part: str) -> float:
    """Slope of the total energy in kT per degree of freedom per ns."""
    energy, time = (column(folder / f"{part}-energies.csv", name) for name in ("Total Energy (kJ/mole)", "Time (ps)"))
    atoms = mdtraj.load(str(folder / "start.pdb")).n_atoms
    return 1000 * float(np.polyfit(time, energy, 1)[0]) / (GAS * TEMPERATURE * (3 * atoms - 3))


def print_response(folder: Path, volume: float) -> None:
    """Dielectric constants and the dipole of a molecule, physical."""
    series = settled(read_columns(folder / "nvt-polarizability.csv", [*POLARIZABILITY_COLUMNS, SCALE_COLUMN])[1])
    eps_e = EPS_INF * series[:, -1].mean()
    dipoles = settled(read_columns(folder / "nvt-dipoles.csv", [*DIPOLE_COLUMNS, MEAN_COLUMN])[1])
    moment, error = mean_and_error(np.sqrt(eps_e) * dipoles[:, -1])
    print(f"eps_inf {EPS_INF:g} given, eps_e {eps_e:.4f}, 1 + chi {high_frequency_constant(series[:, :6], volume):.4f}")
    print(f"dipole of a molecule in the liquid: {moment:.3f} +- {error:.3f} D")
    total = dipoles[:, :9].reshape(-1, 3, 3).sum(1)
    constant = static_dielectric_constant(total, volume, TEMPERATURE, scaling=np.sqrt(eps_e), eps_infinity=EPS_INF)
    print(f"static dielectric constant: {constant}, from {constant.independent:.0f} independent dipoles")


def print_runs(folder: Path, parts: list[str]) -> None:
    """Length, temperature, and whether a part left the range of the training."""
    for part in parts:
        temperature, error = mean_and_error(settled(column(folder / f"{part}-energies.csv", "Temperature (K)")))
        time = column(folder / f"{part}-energies.csv", "Time (ps)")[-1]
        outside = max(0, len((folder / f"{part}-range.csv").read_text().splitlines()) - 1)
        print(f"{part}: {time:g} ps, {temperature:.1f} +- {error:.1f} K, {outside} reports outside the training range")


def print_structure(folder: Path, experiment: str | None, plot: str | None) -> None:
    """Peaks of g(r) beside a measured one."""
    r, g, error = structure(folder)
    peak = g.argmax()
    valley = peak + g[peak:][r[peak:] < 4].argmin()
    print(
        f"O-O: first peak at {r[peak]:.2f} A, height {g[peak]:.2f} +- {error[peak]:.2f}; first minimum at {r[valley]:.2f} A, "
        f"{g[valley]:.2f} +- {error[valley]:.2f}"
    )
    curves = {"model": (r, g)}
    if experiment:
        rows = [line.split()[:2] for line in Path(experiment).read_text().splitlines() if is_row(line)]
        curves["measured"] = tuple(np.array(rows, float).T)
        rms = np.sqrt(np.mean((g - np.interp(r, *curves["measured"])) ** 2))
        print(f"root mean square deviation from the measured g(r), {r[0]:.1f} to {r[-1]:.1f} A: {rms:.3f}")
    if plot:
        draw(plot, curves)


def print_motion(folder: Path, pieces: list[str], volume: float) -> None:
    """Diffusion, also corrected for the size of the box (Yeh and Hummer 2004), and the drift of the energy."""
    constants = np.array([diffusion(folder, part) for part in pieces])
    missing = BOLTZMANN * TEMPERATURE * HASIMOTO / (6 * np.pi * VISCOSITY * 1e-9 * volume ** (1 / 3))  # m^2/s
    drifts = np.array([drift(folder, part) for part in pieces])
    print(
        f"diffusion: {scatter(constants, '.2f')} in this box, {constants.mean() + 1e9 * missing:.2f} in an infinite one with water's "
        f"viscosity, 1e-5 cm^2/s\ndrift of the energy: {scatter(drifts, '+.2g')} kT per degree of freedom per ns"
    )


def scatter(values: NDArray, form: str) -> str:
    """Mean over the pieces, and its standard error if there are several."""
    error = f" +- {values.std(ddof=1) / np.sqrt(len(values)):.2g}" if len(values) > 1 else ""
    return f"{values.mean():{form}}{error}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of validate.py")
    parser.add_argument("--experiment", help="table of g(r)")
    parser.add_argument("--plot", help="PNG file for g(r)")
    options = parser.parse_args()
    folder = options.folder
    pieces = sorted(path.name.removesuffix("-energies.csv") for path in folder.glob("nve-*-energies.csv"))
    at_pressure = ["npt"] if (folder / "npt-energies.csv").exists() else []
    print_runs(folder, ["nvt", *pieces, *at_pressure])
    print_structure(folder, options.experiment, options.plot)
    volume = float(read_columns(folder / "nvt-dipoles.csv", [VOLUME_COLUMN])[1].mean())  # nm^3
    print_response(folder, volume)
    if pieces:
        print_motion(folder, pieces, volume)
    if at_pressure:
        density, error = mean_and_error(settled(column(folder / "npt-energies.csv", "Density (g/mL)")))
        print(f"density at 1 bar: {density:.4f} +- {error:.4f} g/cm^3")


def is_row(line: str) -> bool:
    """Whether a line of a table begins with two numbers."""
    try:
        return len([float(word) for word in line.split()[:2]]) == 2
    except ValueError:
        return False


def draw(path: str, curves: dict[str, tuple[NDArray, NDArray]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    for name, (r, g) in curves.items():
        axis.plot(r, g, label=name, linestyle="--" if name == "measured" else "-")
    axis.set(xlabel="O-O distance (A)", ylabel="g(r)", xlim=(2, max(curves["model"][0])), ylim=(0, None))
    axis.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
