"""The command ``polarmp raman``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._parser import command
from openmm_polarmp.commands._series import check_sampling
from openmm_polarmp.commands._spectra import blocks, draw_curves, print_length, spectrum_options, write_curves


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "raman",
        "Raman spectra (isotropic, anisotropic, VV, VH) from the file of a PolarizabilityReporter.",
        "polarmp raman polarizability.csv --plot raman.png",
        run,
    )
    parser.add_argument("polarizability", help="CSV file of a PolarizabilityReporter")
    spectrum_options(parser)


def run(options: argparse.Namespace) -> int:
    """Compute the spectra; print their peaks, write and plot them."""
    import math

    from openmm_polarmp.analysis import raman
    from openmm_polarmp.reporters.columns import POLARIZABILITY_COLUMNS

    table, pieces = blocks(options.polarizability, POLARIZABILITY_COLUMNS, options.resolution, options.skip)
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
