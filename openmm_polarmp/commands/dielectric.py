"""The command ``polarmp dielectric``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._numbers import not_negative, optical_constant, positive
from openmm_polarmp.commands._parser import command
from openmm_polarmp.commands._series import LARGEST_CHARGE, after, charges_in, volume_of, warn

FEWEST, ENOUGH = 10, 50
"""Independent dipoles below which a constant is refused, or given with a warning."""


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "dielectric",
        "Static and high-frequency dielectric constant, and the scaling eps_e of the moments.",
        "polarmp dielectric dipoles.csv --polarizability polarizability.csv --eps-inf 1.78",
        run,
    )
    parser.add_argument("dipoles", help="CSV file of a DipoleReporter")
    parser.add_argument("--polarizability", help="CSV file of a PolarizabilityReporter, for a model that has one")
    parser.add_argument("--volume", type=positive, help="of the box, nm^3, for older files that do not have it")
    parser.add_argument("--temperature", type=positive, default=300.0, help="K (default 300)")
    parser.add_argument(
        "--eps-inf", type=optical_constant, default=1.0, help="optical dielectric constant of the medium (default 1)"
    )
    parser.add_argument("--skip", type=not_negative, default=0.0, help="ps to leave out at the beginning")


def run(options: argparse.Namespace) -> int:
    """Compute and print the dielectric constants."""
    import math

    from openmm_polarmp.analysis import has_column, high_frequency_constant, read_columns, static_dielectric_constant
    from openmm_polarmp.reporters.columns import DIPOLE_COLUMNS, POLARIZABILITY_COLUMNS, SCALE_COLUMN

    volume = volume_of(options.dipoles, options.volume)
    charge, largest = charges_in(options.dipoles)
    if max(charge, largest) > LARGEST_CHARGE:
        raise ValueError(
            f"{options.dipoles!r} is of a run with a charge of {charge:.2g} e in the box and {largest:.2g} e on a molecule: "
            "ions conduct, and their part of the polarization is not in the dipoles of molecules; neutral molecules are accepted"
        )
    interval, dipoles = read_columns(options.dipoles, DIPOLE_COLUMNS)
    dipoles = after(options.skip, interval, dipoles, options.dipoles)
    eps_e = options.eps_inf
    if options.polarizability:
        spacing, series = read_columns(options.polarizability, POLARIZABILITY_COLUMNS)
        chi = high_frequency_constant(after(options.skip, spacing, series, options.polarizability), volume) - 1
        ratio = 1 / (1 + chi)
        if has_column(options.polarizability, SCALE_COLUMN):  # not in files of earlier versions
            ratios = read_columns(options.polarizability, [SCALE_COLUMN])[1]
            ratio = float(after(options.skip, spacing, ratios, options.polarizability).mean())
        elif chi >= 1:  # left out by the reporter; in a file of an earlier version it cannot be told from that
            ratio = math.nan
        if math.isnan(ratio):
            raise ValueError(
                f"{options.polarizability!r} lacks eps_e, which a response in one step does not have where chi is 1 or more (its mean is "
                f"{chi:.4f}); chi less than 1, or mutual polarization, is accepted"
            )
        eps_e = options.eps_inf * ratio
        print(f"chi = 4 pi k_e sum tr(alpha)/3 / V = {chi:.4f}; eps_e = {eps_e:.4f}")
        # theory.md section 6: ratio is 1 - chi or 1 / (1 + chi)
        one_step = ratio < (1 - chi + 1 / (1 + chi)) / 2
        name, scale = ("eps_inf", options.eps_inf) if one_step else ("eps_e", eps_e)
        print(f"high-frequency constant 1 + {name} chi = {1 + scale * chi:.4f}")
    else:
        print(f"eps_e = eps_inf = {eps_e:g} (no polarizability)")
    constant = static_dielectric_constant(
        dipoles.reshape(len(dipoles), 3, 3).sum(1),
        volume,
        options.temperature,
        scaling=math.sqrt(eps_e),
        eps_infinity=options.eps_inf,
    )
    length = len(dipoles) * interval
    steps = length / (2 * constant.independent)
    if constant.independent < FEWEST:
        raise ValueError(
            f"the dipole's correlation time is {steps:.2g} ps or longer, in a series of {length:.3g} ps: about "
            f"{constant.independent:.2g} independent values, from which no dielectric constant can be told; {ENOUGH} are enough"
        )
    if constant.independent < ENOUGH:
        warn(
            f"only about {constant.independent:.0f} independent dipoles: their correlation time is {steps:.2g} ps or longer, the "
            f"series {length:.3g} ps; the error may be too small"
        )
    print(f"static dielectric constant {constant}, eps_inf = {options.eps_inf:g} added, {len(dipoles)} dipoles")
    return 0
