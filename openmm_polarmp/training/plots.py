"""Plots of a model's errors and of its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.data
import numpy as np

from openmm_polarmp._extras import require
from openmm_polarmp.training.evaluation import Comparison
from openmm_polarmp.training.metrics import UNITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 20_000
UNITS_OF_LABELS = {"energy": "eV/atom", "forces": "eV/A", "stress": "eV/A^3", "polarizability": "e^2 A^2/eV"}
"""Where they differ from the units of the errors."""


def draw(
    path: Path,
    comparison: Comparison,
    rows: list[dict[str, Any]] | None = None,
    title: str = "",
    held: float = 0.0,
) -> None:
    """Draw parity plots, errors per element, latent charges and, from the log's rows, learning curves.

    Parameters
    ----------
    path : Path
        PNG file to write.
    comparison : Comparison
    rows : list of dict, optional
        Of the log.
    title : str
    held : float
        Epochs in which the charges were held at their initial values (``optimizer.hold_charges``).
    """
    require("a plot", "train", ["matplotlib"])
    from matplotlib.figure import Figure

    panels = [*comparison.reference, "elements", "charges", *(["learning"] if rows else [])]
    columns = min(3, len(panels))
    figure = Figure(figsize=(4.2 * columns, 3.6 * -(-len(panels) // columns)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(-(-len(panels) // columns), columns)).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        if panel == "elements":
            _elements(axis, comparison)
        elif panel == "charges":
            _charges(axis, comparison)
        elif panel == "learning":
            _learning(axis, rows or [], held)
        else:
            _parity(axis, comparison, panel)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.suptitle(title)
    figure.savefig(path, dpi=110)


def _parity(axis: Axes, comparison: Comparison, name: str) -> None:
    reference, predicted = comparison.reference[name].ravel(), comparison.predicted[name].ravel()
    unit, factor = UNITS[name]
    rmse = factor * np.sqrt(np.mean((predicted - reference) ** 2))
    base = UNITS_OF_LABELS.get(name, unit)
    if name == "energy":
        reference, predicted = reference - comparison.atomic_energies, predicted - comparison.atomic_energies
        base += ", without the atoms' reference energies"
    some = np.random.default_rng(0).permutation(len(reference))[:MOST_POINTS]
    axis.plot(reference[some], predicted[some], ".", markersize=2, alpha=0.4)
    ends = [reference.min(), reference.max()]
    axis.plot(ends, ends, "k-", linewidth=0.7)
    axis.set(title=f"{name.replace('_', ' ')}: RMSE {rmse:.3g} {unit}", xlabel=f"reference ({base})", ylabel="model")
    axis.locator_params(axis="x", nbins=6)


def _elements(axis: Axes, comparison: Comparison) -> None:
    statistics = comparison.statistics()
    names = [name for name in statistics if name.startswith("forces ")]
    axis.bar([name.split()[1] for name in names], [1e3 * statistics[name]["rmse"] for name in names])
    axis.set(title="force error per element", ylabel="RMSE (meV/A)")


def _charges(axis: Axes, comparison: Comparison) -> None:
    low, high = comparison.charges.min() - 0.02, comparison.charges.max() + 0.02
    for z in np.unique(comparison.species):
        charges = comparison.charges[comparison.species == z]
        axis.hist(charges, bins=np.linspace(low, high, 120).tolist(), alpha=0.7, label=ase.data.chemical_symbols[z])
    axis.legend(loc="upper right")  # "best" searches for long where there are many points
    axis.set(title="latent charges", xlabel="q (e)", ylabel="atoms")


def _learning(axis: Axes, rows: list[dict[str, Any]], held: float) -> None:
    epochs = [row["epoch"] for row in rows]
    for name in ("train_forces", "validation_forces"):
        if name in rows[0]:
            axis.semilogy(epochs, [1e3 * row[name] for row in rows], label=name.replace("_", " "))
    if held > 0:
        axis.axvline(held, color="k", linestyle=":", linewidth=1, label="charges are let go: errors jump")
    axis.legend(loc="upper right")  # "best" searches for long where there are many points
    axis.set(title="learning", xlabel="epoch", ylabel="force RMSE (meV/A)")
