"""The command ``polarmp ir``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openmm_polarmp.commands._numbers import positive
from openmm_polarmp.commands._parser import command
from openmm_polarmp.commands._series import LARGEST_CHARGE, born_sum_in, charges_in, check_sampling, volume_of, warn
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

BANDS = "0-400,400-1200,1200-2000,2800-4000"
"""1/cm: hydrogen bonds, librations, bends and stretches of water."""
SIGNALS = {
    "polarization": "dP/dt, with charge that moves between molecules",
    "molecules": "the dipoles of molecules about their own centres; charge that moves between them is left out",
    "current": "the current of files of earlier versions",
}


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "ir",
        "Infrared spectrum from the file of a DipoleReporter.",
        "polarmp ir dipoles.csv --plot ir.png --experiment Hale.yml",
        run,
    )
    parser.add_argument(
        "dipoles",
        nargs="+",
        help="CSV file of a DipoleReporter, preferably from a run at constant energy; several are independent runs of one system",
    )
    parser.add_argument("--volume", type=positive, help="of the box, nm^3, for older files that do not have it")
    parser.add_argument(
        "--signal",
        choices=tuple(SIGNALS),
        help="; ".join(f"{name}: {text}" for name, text in SIGNALS.items())
        + " (default: polarization where the file has it)",
    )
    parser.add_argument(
        "--current", action="store_const", const="current", dest="signal", help="the same as --signal current"
    )
    parser.add_argument(
        "--experiment", nargs="*", default=[], help="optical constants n and k, files of refractiveindex.info"
    )
    spectrum_options(parser, BANDS)


def run(options: argparse.Namespace) -> int:
    """Compute the spectrum; print its peaks and integrals, write and plot it."""
    import math

    from openmm_polarmp.analysis import average, parse_bands
    from openmm_polarmp.analysis.optical import read_absorption

    bands = parse_bands(options.bands)
    runs = [_of_file(path, options) for path in options.dipoles]
    curve = average([of_run.curve for of_run in runs])
    _print_integrals(runs, bands, options.highest)
    if options.smooth > 0:
        curve = curve.smoothed(options.smooth)
    print(
        ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in curve.notes.items()
            if name != "signal"
        )
    )
    _print_peaks(curve, bands)
    measured = {Path(path).stem: read_absorption(path) for path in options.experiment}
    if options.output:
        write_curves(options.output, {"n alpha": curve}, options.highest)
    if options.plot:
        draw_curves(
            options.plot,
            {f"model, s = {math.sqrt(options.eps_e):.3g}": curve},
            options.highest,
            "n(w) alpha(w) (1/cm)",
            measured,
        )
    return 0


class _Run(NamedTuple):
    """The spectrum of one file, and the f-sum (1/cm^2) of the Born charges in it, if there are any."""

    curve: Spectrum
    f_sum: float | None


def _of_file(path: str, options: argparse.Namespace) -> _Run:
    import math

    from openmm_polarmp.analysis import f_sum, infrared

    signal, columns = _signal(path, options.signal)
    table, pieces = blocks(path, columns, options.resolution, options.skip)
    volume = volume_of(path, options.volume)
    charge, largest = charges_in(path)
    if signal == "molecules" and max(charge, largest) > LARGEST_CHARGE:
        warn(
            f"a charge of {charge:.2g} e in the box, {largest:.2g} e on a molecule: the motion of ions is not in the dipole of "
            "molecules; use --signal polarization, of a DipoleReporter with current=True"
        )
    check_sampling(table)
    scaling = math.sqrt(options.eps_e)
    curve = infrared(
        (piece.reshape(len(piece), -1, 3).sum(1) for piece in pieces),
        table.interval,
        volume,
        options.temperature,
        signal="current" if signal == "current" else "dipole",
        scaling=scaling,
        window=options.window,
        correction=options.correction,
        overlap=0.5,
    )
    if not curve.intensity.any():
        raise ValueError(f"{path!r} has the same dipoles in all rows; a run in which they change is accepted")
    print_length(table)
    print(f"signal: {signal}, {SIGNALS[signal]}")
    born_sum = born_sum_in(path)
    return _Run(curve, None if born_sum is None else f_sum(born_sum, volume, scaling))


def _signal(path: str, wanted: str | None) -> tuple[str, list[str]]:
    """The signal and its columns, which are added for each axis."""
    from openmm_polarmp.analysis import has_column
    from openmm_polarmp.reporters.columns import CURRENT_COLUMNS, DIPOLE_COLUMNS, POLARIZATION_COLUMNS

    columns = {
        "polarization": [*POLARIZATION_COLUMNS, *DIPOLE_COLUMNS[3:]],
        "molecules": DIPOLE_COLUMNS,
        "current": CURRENT_COLUMNS,
    }
    signal = wanted
    if signal is None:
        whole = Path(path).is_file() and has_column(path, POLARIZATION_COLUMNS[0])
        signal = "polarization" if whole else "molecules"
        if not whole:
            warn(
                f"{path!r} has no polarization of charges: charge that moves between molecules is left out, and intensities may be "
                "far off; a DipoleReporter with current=True writes it"
            )
    return signal, columns[signal]


def _print_integrals(runs: list[_Run], bands: list[tuple[float, float]], highest: float) -> None:
    """The integral beside the f-sum of the model's own Born charges, and that of each band; with errors of several runs."""
    totals = [of_run.curve.integral(0, highest) for of_run in runs]
    expected = [of_run.f_sum for of_run in runs if of_run.f_sum is not None]
    beside = f"f-sum of the Born charges {plus_minus(expected)} 1/cm^2" if expected else "no Born charges in the file"
    ratio = ""
    if len(expected) == len(totals):
        ratio = f", ratio {plus_minus([total / sum_ for total, sum_ in zip(totals, expected, strict=True)], '.3f')}"
    print(f"integral up to {highest:g} 1/cm: {plus_minus(totals)} 1/cm^2; {beside}{ratio}")
    for low, high in bands:
        parts = [of_run.curve.integral(low, high) for of_run in runs]
        print(f"  {low:g} to {high:g} 1/cm: {plus_minus(parts)} 1/cm^2, {100 * sum(parts) / sum(totals):.0f} %")


def _print_peaks(curve: Spectrum, bands: list[tuple[float, float]]) -> None:
    import numpy as np

    for low, high in bands:
        low = max(low, 30.0)  # the mean that is subtracted leaves a dip at zero
        if not ((curve.wavenumber >= low) & (curve.wavenumber <= high)).any():
            continue
        peak = curve.peak(low, high)
        if peak is None:
            print(f"no peak {low:g} to {high:g} 1/cm")
            continue
        height = np.interp(peak, curve.wavenumber, curve.intensity)
        print(f"highest point {low:g} to {high:g} 1/cm: {peak:.0f} 1/cm, n alpha = {height:.0f} 1/cm")
