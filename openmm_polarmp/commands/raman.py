"""The command ``polarmp raman``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from openmm_polarmp.commands._parser import command
from openmm_polarmp.commands._series import check_sampling
from openmm_polarmp.commands._spectra import (
    blocks,
    draw_curves,
    plus_minus,
    print_length,
    spectrum_options,
    write_curves,
)

if TYPE_CHECKING:
    from openmm_polarmp.analysis import Spectrum

BANDS = "30-400,400-1200,1200-2000,2800-4000"
"""1/cm: hydrogen bonds, librations, bends and stretches of water."""


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "raman",
        "Raman spectra (isotropic, anisotropic, VV, VH) from the file of a PolarizabilityReporter.",
        "polarmp raman polarizability.csv --plot raman.png",
        run,
    )
    parser.add_argument(
        "polarizability",
        nargs="+",
        help="CSV file of a PolarizabilityReporter; several are independent runs of one system",
    )
    spectrum_options(parser, BANDS)


def run(options: argparse.Namespace) -> int:
    """Compute the spectra; print their peaks and depolarization ratios, write and plot them."""
    from openmm_polarmp.analysis import average, parse_bands

    bands = parse_bands(options.bands)
    runs = [_of_file(path, options) for path in options.polarizability]
    curves = {name: average([of_run[name] for of_run in runs]) for name in runs[0]}
    _print_bands(runs, bands)
    if options.smooth > 0:
        curves = {name: curve.smoothed(options.smooth) for name, curve in curves.items()}
    for name, curve in curves.items():
        peak = curve.peak(100, options.highest)
        if not curve.intensity.any():
            print(
                f"{name}: zero to rounding; a model with tensor polarizabilities (polarizability: tensor) would have it"
            )
        else:
            print(f"{name}: " + ("no peak" if peak is None else f"highest point at {peak:.0f} 1/cm"))
    if options.output:
        write_curves(options.output, curves, options.highest)
    if options.plot:
        draw_curves(options.plot, curves, options.highest, "intensity (arbitrary)")
    return 0


def _of_file(path: str, options: argparse.Namespace) -> dict[str, Spectrum]:
    import math

    from openmm_polarmp.analysis import raman
    from openmm_polarmp.reporters.columns import POLARIZABILITY_COLUMNS

    table, pieces = blocks(path, POLARIZABILITY_COLUMNS, options.resolution, options.skip)
    check_sampling(table)
    curves = raman(
        pieces,
        table.interval,
        options.temperature,
        scaling=math.sqrt(options.eps_e),
        window=options.window,
        correction=options.correction,
        overlap=0.5,
    )
    print_length(table)
    return curves


def _print_bands(runs: list[dict[str, Spectrum]], bands: list[tuple[float, float]]) -> None:
    """Share of each band in VV + VH and its depolarization ratio VH / VV; with errors of several runs."""
    total = [sum(of_run[name].integral(*band) for name in ("VV", "VH") for band in bands) for of_run in runs]
    for band in bands:
        vv, vh = ([of_run[name].integral(*band) for of_run in runs] for name in ("VV", "VH"))
        if not all(vv):
            continue
        share = [100 * (a + b) / whole for a, b, whole in zip(vv, vh, total, strict=True)]
        ratio = [b / a for a, b in zip(vv, vh, strict=True)]
        print(
            f"{band[0]:g} to {band[1]:g} 1/cm: {plus_minus(share, '.3g')} % of VV + VH, depolarization ratio "
            f"{plus_minus(ratio, '.3f')}"
        )
