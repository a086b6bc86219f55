"""Options, input and output of the commands for spectra."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from openmm_polarmp._extras import require
from openmm_polarmp.commands._numbers import not_negative, positive

if TYPE_CHECKING:
    from openmm_polarmp.analysis import Spectrum, Table

SHORTEST_BLOCK = 8
"""Rows, the least that `openmm_polarmp.analysis.power_spectrum` takes."""


def spectrum_options(parser: argparse.ArgumentParser, bands: str) -> None:
    """Declare the options of every spectrum; ``bands`` is the default of ``--bands``."""
    parser.add_argument("--bands", default=bands, help=f"1/cm, whose integrals are printed (default {bands})")
    parser.add_argument("--temperature", type=positive, default=300.0, help="K (default 300)")
    parser.add_argument(
        "--eps-e", type=positive, default=1.0, help="s^2 of physical moments (default 1; see polarmp dielectric)"
    )
    parser.add_argument(
        "--resolution", type=positive, default=10.0, help="1/cm: sets the length of a block (default 10)"
    )
    parser.add_argument(
        "--smooth", type=not_negative, default=0.0, help="standard deviation of a Gaussian in 1/cm (default none)"
    )
    parser.add_argument("--window", default="hann", choices=("hann", "blackman", "none"))
    parser.add_argument(
        "--correction",
        default="none",
        choices=("none", "harmonic", "schofield"),
        help="quantum correction of classical nuclei",
    )
    parser.add_argument("--skip", type=not_negative, default=0.0, help="ps to leave out at the beginning")
    parser.add_argument("--output", help="write the curve to this CSV file")
    parser.add_argument("--plot", help="draw it to this PNG file")
    parser.add_argument("--highest", type=positive, default=4500.0, help="1/cm, end of table and plot (default 4500)")


def blocks(path: str, columns: Sequence[str], resolution: float, skip: float) -> tuple[Table, Iterator[NDArray]]:
    """A table and its half overlapping blocks.

    Parameters
    ----------
    path : str
        CSV file of a reporter.
    columns : sequence of str
        Columns of the blocks.
    resolution : float
        1/cm; determines the length of a block.
    skip : float
        Time to leave out at the beginning, ps.
    """
    from openmm_polarmp.analysis import Table
    from openmm_polarmp.analysis.spectra import C

    table = Table(path, columns)
    length = round(1 / (resolution * C * 1e-12 * table.interval))
    if length < SHORTEST_BLOCK:
        coarsest = 1 / (SHORTEST_BLOCK * C * 1e-12 * table.interval)
        raise ValueError(
            f"--resolution is {resolution:g} 1/cm; at most {coarsest:.4g} is accepted, for rows {1000 * table.interval:g} fs apart"
        )
    first_row = round(skip / table.interval)

    def pieces() -> Iterator[NDArray]:
        row = count = 0
        for piece in table.pieces(length, overlap=length // 2):
            if row >= first_row:
                count += 1
                yield piece
            row += len(piece) - length // 2

        if count == 0:
            series = (table.rows or 0) * table.interval - skip
            if series <= 0:
                raise ValueError(
                    f"--skip is {skip:g} ps; less than the {series + skip:.3g} ps of the series in {path!r} is accepted"
                )
            finest = 1 / (max(series, table.interval) * C * 1e-12)
            raise ValueError(
                f"--resolution is {resolution:g} 1/cm, which needs blocks of {length * table.interval:.3g} ps; the series of "
                f"{series:.3g} ps allows {finest:.3g} 1/cm in one block, {4 * finest:.3g} with an error from several"
            )

    return table, pieces()


def plus_minus(values: Sequence[float], form: str = ".4g") -> str:
    """The mean over independent runs with its standard error; of one run the value itself."""
    import numpy as np

    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{np.mean(values):{form}} +- {np.std(values, ddof=1) / np.sqrt(len(values)):.2g}"


def print_length(table: Table) -> None:
    """Print the length of the series, and whether its last line was incomplete."""
    note = ", without the last line, which is incomplete" if table.cut_off else ""
    print(f"{table.path}: {table.rows} rows of {1000 * table.interval:g} fs{note}")


def write_curves(path: str, curves: Mapping[str, Spectrum], highest: float) -> None:
    """Write the wavenumbers up to ``highest`` (1/cm), and the intensity and error of each curve, to a CSV file."""
    import csv

    first = next(iter(curves.values()))
    with Path(path).open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = list(curves)
        writer.writerow(
            ["wavenumber (1/cm)", *(f"{n} ({curves[n].unit})" for n in names), *(f"{n} error" for n in names)]
        )
        for row, nu in enumerate(first.wavenumber):
            if nu > highest:
                break
            errors = ["" if c.error is None else f"{c.error[row]:.6g}" for c in curves.values()]
            writer.writerow([f"{nu:.4f}", *(f"{c.intensity[row]:.6g}" for c in curves.values()), *errors])


def draw_curves(
    path: str,
    curves: Mapping[str, Spectrum],
    highest: float,
    ylabel: str,
    measured: Mapping[str, tuple[NDArray, NDArray]] | None = None,
) -> None:
    """Plot curves up to ``highest`` (1/cm) to a PNG file; measured ones (wavenumbers and values) are dashed."""
    require("--plot", "plot", ["matplotlib"])
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    for name, curve in curves.items():
        inside = curve.wavenumber <= highest
        line = axis.plot(curve.wavenumber[inside], curve.intensity[inside], label=name)[0]
        if curve.error is not None:
            low, high = curve.intensity - curve.error, curve.intensity + curve.error
            axis.fill_between(curve.wavenumber[inside], low[inside], high[inside], alpha=0.3, color=line.get_color())
    for name, (nu, values) in (measured or {}).items():
        inside = nu <= highest
        axis.plot(nu[inside], values[inside], "--", linewidth=1, label=name)
    axis.legend(loc="upper right")  # "best" searches for long where there are many points
    axis.set(xlabel="wavenumber (1/cm)", ylabel=ylabel, xlim=(0, highest), ylim=(0, None))
    figure.savefig(path, dpi=120)
