"""The command ``polarmp raman``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._parser import command
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
    curves = raman(
        pieces,
        table.interval,
        options.temperature,
        scaling=math.sqrt(options.eps_e),
        window=options.window,
        correction=options.correction,
    )
    print_length(table)
    if options.smooth > 0:
        curves = {name: curve.smoothed(options.smooth) for name, curve in curves.items()}
    for name, curve in curves.items():
        print(f"{name}: highest point at {curve.peak(100, min(options.highest, curve.wavenumber[-1])):.0f} 1/cm")
    if options.output:
        write_curves(options.output, curves, options.highest)
    if options.plot:
        draw_curves(options.plot, curves, options.highest, "intensity (arbitrary)")
    return 0
