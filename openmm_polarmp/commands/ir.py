"""The command ``polarmp ir``."""

from __future__ import annotations

import argparse
from pathlib import Path

from openmm_polarmp.commands._parser import command
from openmm_polarmp.commands._series import LARGEST_CHARGE, charges_in, check_sampling, volume_of, warn
from openmm_polarmp.commands._spectra import blocks, draw_curves, print_length, spectrum_options, write_curves


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "ir",
        "Infrared spectrum from the file of a DipoleReporter.",
        "polarmp ir dipoles.csv --plot ir.png --experiment Hale.yml",
        run,
    )
    parser.add_argument("dipoles", help="CSV file of a DipoleReporter, preferably from a run at constant energy")
    parser.add_argument("--volume", type=float, help="of the box, nm^3, for older files that do not have it")
    parser.add_argument(
        "--current", action="store_true", help="from the current of DipoleReporter(current=True), not from the dipole"
    )
    parser.add_argument(
        "--experiment", nargs="*", default=[], help="optical constants n and k, files of refractiveindex.info"
    )
    spectrum_options(parser)


def run(options: argparse.Namespace) -> int:
    """Compute the spectrum; print its peaks, write and plot it."""
    import math

    import numpy as np

    from openmm_polarmp.analysis import infrared
    from openmm_polarmp.analysis.optical import read_absorption
    from openmm_polarmp.reporters.columns import CURRENT_COLUMNS, DIPOLE_COLUMNS

    columns = CURRENT_COLUMNS if options.current else DIPOLE_COLUMNS
    table, pieces = blocks(options.dipoles, columns, options.resolution, options.skip)
    volume = volume_of(options.dipoles, options.volume)
    charge, largest = charges_in(options.dipoles)
    if not options.current and max(charge, largest) > LARGEST_CHARGE:
        warn(
            f"a charge of {charge:.2g} e in the box, {largest:.2g} e on a molecule: the motion of ions is not in the dipole of "
            "molecules; use --current"
        )
    check_sampling(table)
    scaling = math.sqrt(options.eps_e)
    curve = infrared(
        (piece.reshape(len(piece), -1, 3).sum(1) for piece in pieces),
        table.interval,
        volume,
        options.temperature,
        signal="current" if options.current else "dipole",
        scaling=scaling,
        window=options.window,
        correction=options.correction,
        overlap=0.5,
    )
    print_length(table)
    if options.smooth > 0:
        curve = curve.smoothed(options.smooth)
    print(
        ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in curve.notes.items()
        )
    )
    for name, low, high in (
        ("below 400", 30, 400),
        ("400 to 1000", 400, 1000),
        ("1400 to 1900", 1400, 1900),
        ("2800 to 4000", 2800, 4000),
    ):
        inside = (curve.wavenumber >= low) & (curve.wavenumber <= high)
        if inside.any():
            peak = curve.peak(low, high)
            if peak is None:
                print(f"no peak {name} 1/cm")
                continue
            height = np.interp(peak, curve.wavenumber, curve.intensity)
            print(f"highest point {name} 1/cm: {peak:.0f} 1/cm, n alpha = {height:.0f} 1/cm")
    measured = {Path(path).stem: read_absorption(path) for path in options.experiment}
    if options.output:
        write_curves(options.output, {"n alpha": curve}, options.highest)
    if options.plot:
        draw_curves(
            options.plot,
            {f"model, s = {scaling:.3g}": curve},
            options.highest,
            "n(w) alpha(w) (1/cm)",
            measured,
        )
    return 0
