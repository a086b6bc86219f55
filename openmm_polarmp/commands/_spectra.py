"""What the commands on spectra share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path


def spectrum_options(parser: argparse.ArgumentParser, temperature: bool = True) -> None:
    """Options of every spectrum."""
    parser.add_argument("--temperature", type=float, default=300.0, help="K (default 300)")
    parser.add_argument(
        "--eps-e", type=float, default=1.0, help="s^2 of physical moments (default 1; see polarmp dielectric)"
    )
    parser.add_argument("--resolution", type=float, default=10.0, help="1/cm: sets the length of a block (default 10)")
    parser.add_argument(
        "--smooth", type=float, default=0.0, help="standard deviation of a Gaussian in 1/cm (default none)"
    )
    parser.add_argument("--window", default="hann", choices=("hann", "blackman", "none"))
    parser.add_argument(
        "--correction", default="none", choices=("none", "harmonic", "schofield"), help="of classical nuclei"
    )
    parser.add_argument("--skip", type=float, default=0.0, help="ps at the beginning that are left out")
    parser.add_argument("--output", help="write the curve to this CSV file")
    parser.add_argument("--plot", help="draw it to this PNG file")
    parser.add_argument("--highest", type=float, default=4500.0, help="1/cm, end of table and plot (default 4500)")


def blocks(path: str, columns: list[str], resolution: float, skip: float):
    """The table and a generator of half overlapping blocks that resolve so many 1/cm."""
    from openmm_polarmp.analysis import Table
    from openmm_polarmp.analysis.spectra import C

    if not resolution > 0:
        raise ValueError(f"--resolution: expected a positive number of 1/cm, got {resolution}")
    table = Table(path, columns)
    length = round(1 / (resolution * C * 1e-12 * table.interval))
    left = round(skip / table.interval)

    def pieces() -> Iterator:
        seen = 0
        for piece in table.pieces(length, overlap=length // 2):
            if seen >= left:
                yield piece
            seen += len(piece) - length // 2

    return table, pieces()


def say_how_much(table) -> None:
    """How long the series was, and whether it was cut off."""
    note = ", the last line was cut off" if table.cut_off else ""
    print(f"{table.path}: {table.rows} rows of {1000 * table.interval:g} fs{note}")


def write_curves(path: str, curves: dict, highest: float) -> None:
    """Wavenumber and one column (and its error) for each curve."""
    import csv

    first = next(iter(curves.values()))
    with Path(path).open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = [name for name in curves]
        writer.writerow(
            ["wavenumber (1/cm)", *(f"{n} ({curves[n].unit})" for n in names), *(f"{n} error" for n in names)]
        )
        for row, nu in enumerate(first.wavenumber):
            if nu > highest:
                break
            errors = ["" if c.error is None else f"{c.error[row]:.6g}" for c in curves.values()]
            writer.writerow([f"{nu:.4f}", *(f"{c.intensity[row]:.6g}" for c in curves.values()), *errors])


def draw_curves(path: str, curves: dict, highest: float, ylabel: str, measured: dict | None = None) -> None:
    """One picture; measured curves dashed."""
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
    axis.legend()
    axis.set(xlabel="wavenumber (1/cm)", ylabel=ylabel, xlim=(0, highest), ylim=(0, None))
    figure.savefig(path, dpi=120)
