"""The command ``polarmp ladder``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from openmm_polarmp._extras import require_training
from openmm_polarmp.commands._numbers import count
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
    parser.add_argument(
        "configs", nargs="+", metavar="config", help="YAML files as for `polarmp train`; model.rung is ignored"
    )
    parser.add_argument(
        "--rungs",
        nargs="+",
        metavar="RUNG",
        help="only these, in this order, in place of the configuration's ladder.rungs",
    )
    parser.add_argument(
        "--seeds",
        type=count,
        metavar="N",
        help="train each rung N times, with the configuration's seed and those that follow it, in place of ladder.seeds",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def run(options: argparse.Namespace) -> int:
    """Train the rungs of each configuration; a table over all sets if there are several."""
    require_training("this command")
    from openmm_polarmp.training import TrainingConfig
    from openmm_polarmp.training.ladder import climb
    from openmm_polarmp.training.ladder_report import over_sets

    changes = {name: value for name in ("rungs", "seeds") if (value := getattr(options, name)) is not None}
    configs = [
        TrainingConfig.read(path) for path in options.configs
    ]  # all, so that an error in one stops none half way
    configs = [dataclasses.replace(c, ladder=dataclasses.replace(c.ladder, **changes)) for c in configs]
    sets = {Path(c.output).name.removeprefix("ladder-"): climb(c, quiet=options.quiet) for c in configs}
    if len(sets) > 1 and not options.quiet:
        print(over_sets(sets))
    return 0
