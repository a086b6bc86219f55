"""The command ``polarmp dielectric``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "dielectric",
        "Static and high-frequency dielectric constant, and the scaling eps_e = eps_inf / (1 + chi).",
        "polarmp dielectric dipoles.csv --polarizability polarizability.csv --volume 1.92 --eps-inf 1.78",
        run,
    )
    parser.add_argument("dipoles", help="CSV file of a DipoleReporter")
    parser.add_argument("--polarizability", help="CSV file of a PolarizabilityReporter, for a model that has one")
    parser.add_argument("--volume", type=float, required=True, help="of the box, nm^3")
    parser.add_argument("--temperature", type=float, default=300.0, help="K (default 300)")
    parser.add_argument(
        "--eps-inf", type=float, default=1.0, help="optical dielectric constant of the medium (default 1)"
    )
    parser.add_argument("--blocks", type=int, default=5, help="parts of the series for the error (default 5)")
    parser.add_argument("--skip", type=float, default=0.0, help="ps to leave out at the beginning")


def run(options: argparse.Namespace) -> int:
    """Compute and print the dielectric constants."""
    import math

    from openmm_polarmp.analysis import high_frequency_constant, read_columns, static_dielectric_constant
    from openmm_polarmp.reporters.columns import DIPOLE_COLUMNS, POLARIZABILITY_COLUMNS

    interval, dipoles = read_columns(options.dipoles, DIPOLE_COLUMNS)
    dipoles = dipoles[round(options.skip / interval) :]
    eps_e = options.eps_inf
    if options.polarizability:
        interval, series = read_columns(options.polarizability, POLARIZABILITY_COLUMNS)
        series = series[round(options.skip / interval) :]
        chi = high_frequency_constant(series, options.volume) - 1
        eps_e = options.eps_inf / (1 + chi)
        print(f"chi = 4 pi k_e sum tr(alpha)/3 / V = {chi:.4f}; eps_e = eps_inf / (1 + chi) = {eps_e:.4f}")
        print(f"high-frequency constant 1 + eps_e chi = {1 + eps_e * chi:.4f}")
    else:
        print(f"eps_e = eps_inf = {eps_e:g} (no polarizability)")
    constant = static_dielectric_constant(
        dipoles.reshape(len(dipoles), 3, 3).sum(1),
        options.volume,
        options.temperature,
        scaling=math.sqrt(eps_e),
        eps_infinity=options.eps_inf,
        blocks=options.blocks,
    )
    print(f"static dielectric constant {constant}, eps_inf = {options.eps_inf:g} added, {len(dipoles)} dipoles")
    return 0
