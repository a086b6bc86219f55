"""The command ``polarmp ladder``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "ladder",
        "Train every rung, from no electrostatics to all of it, on the same data; one table and plot.",
        "polarmp ladder water.yaml",
        run,
    )
    parser.add_argument("config", help="a YAML file as for `polarmp train`; its model.rung is ignored")
    parser.add_argument("--rungs", nargs="+", metavar="RUNG", help="only these, in this order (default: all)")
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="train each rung N times, with the configuration's seed and those that follow it (default: 1)",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def run(options: argparse.Namespace) -> int:
    """Train the rungs."""
    from openmm_polarmp.models import RUNGS
    from openmm_polarmp.training import TrainingConfig
    from openmm_polarmp.training.ladder import climb

    climb(TrainingConfig.read(options.config), options.rungs or RUNGS, seeds=options.seeds, quiet=options.quiet)
    return 0
