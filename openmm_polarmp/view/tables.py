"""Graphs of tables that commands write: the log of `polarmp train`, the curves of `polarmp ir` and `polarmp raman`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp.view.graph import Graph
from openmm_polarmp.view.run import WAVENUMBER, read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ERRORS = {
    "forces": ("Errors of forces", "meV/A", 1e3),
    "energy": ("Errors of energies", "meV/atom", 1e3),
    "stress": ("Errors of stress", "meV/A^3", 1e3),
    "dipole": ("Errors of dipoles", "e A", 1.0),
    "born_charges": ("Errors of Born charges", "e", 1.0),
}
"""Titles and units of the errors in the log of a training, and the factors from eV, A and e."""


def learning_curves(log: Path) -> list[Graph]:
    """Root mean square errors and loss over the epochs of a training, from the file that it writes after each of them."""
    table = read_table(log)
    epochs = table["epoch"]
    graphs = []
    for name, (title, unit, factor) in ERRORS.items():
        kinds = {
            kind: factor * table[f"{kind}_{name}"] for kind in ("train", "validation") if f"{kind}_{name}" in table
        }
        if kinds:
            last = ", ".join(f"{kind} {values[np.isfinite(values)][-1:].sum():.3g}" for kind, values in kinds.items())
            text = f"After epoch {epochs[-1]:.0f}: {last} {unit}."
            graphs.append(Graph(title, text, _descent(epochs, kinds, f"RMSE ({unit})")))
    return [*graphs, Graph("Loss of the training", "", _descent(epochs, {"train": table["loss"]}, "loss"))]


def _descent(epochs: NDArray, kinds: dict[str, NDArray], ylabel: str) -> Callable[[Axes], None]:
    def draw(axis: Axes) -> None:
        for kind, values in kinds.items():
            known = np.isfinite(values)
            axis.semilogy(epochs[known], values[known], lw=1, marker="." if known.sum() < 10 else "", label=kind)
        axis.set(xlabel="epoch", ylabel=ylabel)
        if len(kinds) > 1:
            axis.legend(loc="upper right", fontsize=8)

    return draw


def spectrum_graph(path: Path) -> Graph:
    """The curves of a table of `polarmp ir --output` or `polarmp raman --output`, with their errors as bands."""
    table = read_table(path)
    nu = table.pop(WAVENUMBER)
    curves = {title: values for title, values in table.items() if not title.endswith(" error")}

    def draw(axis: Axes) -> None:
        for title, values in curves.items():
            (line,) = axis.plot(nu, values, lw=1, label=title)
            error = table.get(f"{title.partition(' (')[0]} error")
            if error is not None and np.isfinite(error).all():
                axis.fill_between(nu, values - error, values + error, alpha=0.3, color=line.get_color())
        axis.set(xlabel="wavenumber (1/cm)", ylim=(0, None))
        if len(curves) > 1:
            axis.legend(loc="upper right", fontsize=8)
        else:
            axis.set_ylabel(next(iter(curves)))

    return Graph(f"Spectrum of {path.name}", "Bands are errors from blocks." if _has_errors(table) else "", draw)


def _has_errors(table: dict[str, NDArray]) -> bool:
    return any(title.endswith(" error") and np.isfinite(values).all() for title, values in table.items())
