"""Graphs of a run: energy, temperature, structure, dipoles, charges, spectra and the progress of a training."""

from __future__ import annotations

import io
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp._extras import require
from openmm_polarmp.analysis import distribution, has_column, infrared, raman, read_columns
from openmm_polarmp.analysis.spectra import C, Spectrum
from openmm_polarmp.models.elements import SYMBOLS
from openmm_polarmp.reporters.columns import (
    DIPOLE_COLUMNS,
    MEAN_COLUMN,
    POLARIZABILITY_COLUMNS,
    POLARIZATION_COLUMNS,
    VOLUME_COLUMN,
)
from openmm_polarmp.units import DEBYE_PER_E_NM
from openmm_polarmp.view.frames import Frames, read_frames
from openmm_polarmp.view.graph import Graph, line_plot, no_graph
from openmm_polarmp.view.radial import radial_distribution
from openmm_polarmp.view.run import POTENTIAL_ENERGY, TEMPERATURE, Run, read_table
from openmm_polarmp.view.tables import learning_curves, spectrum_graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

START = 0.25
"""The first share of a run, which spectra and means leave out as equilibration."""
FEWEST_ROWS = 100
"""Below this a series says nothing about a spectrum."""
HIGHEST = 4500.0
"""1/cm, end of the spectra."""
LARGEST_CHARGE = 0.5
"""e: the dipole of a molecule with more depends on the origin and is not shown."""


def plot(run: str | Path | Run, *, temperature: float | None = None, eps_e: float = 1.0) -> Figure:
    """All graphs of a run in one figure, which notebooks show and ``savefig`` writes.

    Parameters
    ----------
    run : str, Path or Run
        The folder that the run's reporters, `polarmp train` or `polarmp ir` wrote to.
    temperature : float, optional
        K, for the infrared spectrum; by default the mean of the reported temperatures, or 300.
    eps_e : float
        Physical moments are s = sqrt(eps_e) times the latent ones (theory.md section 6).

    Returns
    -------
    matplotlib.figure.Figure
    """
    require("plot", "plot", ["matplotlib"])
    from matplotlib.figure import Figure

    class RunFigure(Figure):
        """A figure that notebooks show by itself, without pyplot."""

        def _repr_png_(self) -> bytes:
            stream = io.BytesIO()
            self.savefig(stream, format="png", dpi=100)
            return stream.getvalue()

    run = run if isinstance(run, Run) else Run(run)
    graphs = graphs_of(run, read_frames(run), temperature, eps_e)
    columns = min(3, len(graphs))
    rows = -(-len(graphs) // columns) if graphs else 0
    if not rows:
        raise ValueError(f"run is {str(run.folder)!r}, which has nothing to draw; a run with reports is accepted")
    figure = RunFigure(figsize=(4.2 * columns, 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, graph in zip(axes, graphs, strict=False):
        axis.set_title(graph.title, fontsize=10)
        graph.draw(axis)
    for axis in axes[len(graphs) :]:
        axis.set_axis_off()
    return figure


def graphs_of(run: Run, frames: Frames | None, temperature: float | None = None, eps_e: float = 1.0) -> list[Graph]:
    """The graphs for which a run has data."""
    if not eps_e >= 1:
        raise ValueError(f"eps_e is {eps_e}; numbers from 1 on are accepted")
    scaling = math.sqrt(eps_e)
    graphs = [*_of_energies(run)]
    if frames is not None:
        graphs += _of_structure(frames)
        if frames.charges is not None:
            graphs += _of_moments(frames, scaling)
    if run.dipoles is not None:
        kelvin = temperature or run.mean_temperature(START) or 300.0
        graphs += [*_of_dipole(run.dipoles, scaling), _infrared(run.dipoles, kelvin, scaling)]
    if run.polarizability is not None:
        graphs.append(_raman(run.polarizability, scaling))
    graphs += [spectrum_graph(path) for path in run.spectra]
    if run.training is not None:
        graphs += learning_curves(run.training)
    return graphs


def kind_of(scaling: float) -> str:
    """How moments of this scaling are called on axes."""
    return "latent" if scaling == 1 else f"s = {scaling:.3g}"


def _of_energies(run: Run) -> list[Graph]:
    if run.energies is None:
        return []
    table = read_table(run.energies)
    time = "Time (ps)" if "Time (ps)" in table else "Step"
    shown = {
        POTENTIAL_ENERGY: ("Potential energy", "potential energy (kJ/mol)"),
        TEMPERATURE: ("Temperature", "temperature (K)"),
        "Density (g/mL)": ("Density", "density (g/mL)"),
    }
    return [
        Graph(name, "", line_plot(table[time], table[title], "time (ps)" if "ps" in time else "step", label))
        for title, (name, label) in shown.items()
        if title in table and time in table and len(table[title]) > 1
    ]


def _of_structure(frames: Frames) -> list[Graph]:
    result = radial_distribution(frames)
    if result is None:
        return []
    element, r, g = result
    pair = f"{SYMBOLS[element]}-{SYMBOLS[element]}"
    text = f"Pair distribution of {SYMBOLS[element]} in different molecules."
    return [Graph(f"g(r) of {pair}", text, line_plot(r, g, "r (nm)", f"g(r) of {pair}", line=1.0))]


def _of_moments(frames: Frames, scaling: float) -> list[Graph]:
    kind = kind_of(scaling)
    assert frames.charges is not None
    of_elements = {
        SYMBOLS[z]: scaling * frames.charges[:, frames.numbers == z]
        for z in np.unique(frames.numbers[frames.numbers > 0])
    }
    dipoles, charges = frames.molecular_dipoles()
    size = DEBYE_PER_E_NM * scaling * np.linalg.norm(dipoles, axis=2)
    formulas = np.array(frames.molecules.formulas(frames.numbers))
    neutral = np.abs(charges.mean(0)) < LARGEST_CHARGE
    several = np.array([len(atoms) > 1 for atoms in frames.molecules.atoms])
    names = [name for name, _ in Counter(formulas[neutral & several].tolist()).most_common(4)]
    of_kinds = {name: size[:, (formulas == name) & neutral] for name in names}
    graphs = [_histogram("Charges of atoms", f"charge, {kind} (e)", of_elements)]
    if of_kinds:
        graphs.insert(0, _histogram("Dipoles of molecules", f"dipole, {kind} (D)", of_kinds))
    return graphs


def _histogram(title: str, label: str, groups: dict[str, NDArray]) -> Graph:
    curves = {}
    for name, values in groups.items():
        margin = max(0.05 * float(np.ptp(values)), 1e-6)
        curves[name] = distribution([values], values.min() - margin, values.max() + margin, 40)

    def draw(axis: Axes) -> None:
        for name, curve in curves.items():
            axis.stairs(curve.density, curve.edges, fill=True, alpha=0.5, label=name)
        axis.set(xlabel=label, ylabel="probability density")
        axis.legend(loc="best", fontsize=8)

    means = ", ".join(f"{name} {curve.mean:.3g} +- {curve.deviation:.2g}" for name, curve in curves.items())
    return Graph(title, f"Mean and standard deviation: {means}.", draw)


def _of_dipole(path: Path, scaling: float) -> list[Graph]:
    if not has_column(path, MEAN_COLUMN):
        return []
    times, values = _series(path, [MEAN_COLUMN])
    label = f"mean dipole, {kind_of(scaling)} (D)"
    return [Graph("Mean dipole of a molecule", "", line_plot(times, scaling * values[:, 0], "time (ps)", label))]


def _infrared(path: Path, temperature: float, scaling: float) -> Graph:
    name = "Infrared spectrum"
    polarization = [*POLARIZATION_COLUMNS, *DIPOLE_COLUMNS[3:]]
    columns = polarization if has_column(path, POLARIZATION_COLUMNS[0]) else DIPOLE_COLUMNS
    if not has_column(path, VOLUME_COLUMN):
        return no_graph(name, "no volume in this older file")
    times, values = _series(path, [*columns, VOLUME_COLUMN])
    volume = float(values[:, -1].mean())
    if not math.isfinite(volume):
        return no_graph(name, "a run without a box has none")
    if len(values) < FEWEST_ROWS:
        return no_graph(name, "too short a run for a spectrum")
    dipoles = values[:, :-1].reshape(len(values), 3, 3).sum(1)
    curve = infrared([dipoles], times[1] - times[0], volume, temperature, scaling=scaling)
    return _spectrum(name, {"": curve}, f"n alpha, {kind_of(scaling)} (1/cm)", times[-1] - times[0])


def _raman(path: Path, scaling: float) -> Graph:
    name = "Raman spectrum"
    times, values = _series(path, POLARIZABILITY_COLUMNS)
    if len(values) < FEWEST_ROWS:
        return no_graph(name, "too short a run for a spectrum")
    curves = raman(values, times[1] - times[0], 300.0, scaling=scaling)
    seen = {kind: curves[kind] for kind in ("VV", "VH") if curves[kind].intensity.any()}
    return _spectrum(name, seen, "intensity (arbitrary)", times[-1] - times[0])


def _spectrum(name: str, curves: dict[str, Spectrum], label: str, length: float) -> Graph:
    """Smoothed to what a series of this length (ps) resolves, but not below 10 1/cm."""
    width = max(10.0, 2 / (C * length * 1e-12))
    smooth = {kind: curve.smoothed(width) for kind, curve in curves.items()}

    def draw(axis: Axes) -> None:
        for kind, curve in smooth.items():
            inside = curve.wavenumber < HIGHEST
            axis.plot(curve.wavenumber[inside], curve.intensity[inside], lw=1, label=kind)
        axis.set(xlabel="wavenumber (1/cm)", ylabel=label, ylim=(0, None))
        if len(smooth) > 1:
            axis.legend(loc="upper right", fontsize=8)

    text = (
        f"From {length:.3g} ps, smoothed by {width:.0f} 1/cm: a first look; polarmp ir and polarmp raman give errors."
    )
    return Graph(name, text, draw)


def _series(path: Path, columns: list[str]) -> tuple[NDArray, NDArray]:
    """Times (ps) and values of a reporter's file without its first share `START`."""
    interval, values = read_columns(path, columns)
    start = int(START * len(values))
    return interval * np.arange(start + 1, len(values) + 1), values[start:]
