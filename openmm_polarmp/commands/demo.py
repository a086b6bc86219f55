"""The command ``polarmp demo``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands, "demo", "Molecular dynamics of water with the shipped model.", "polarmp demo --steps 10000", run
    )
    parser.add_argument("--output", default="demo-output", help="folder for the results (default: demo-output)")
    parser.add_argument("--molecules", type=int, default=64, help="number of water molecules (default: 64)")
    parser.add_argument("--steps", type=int, default=4000, help="steps of 0.5 fs (default: 4000)")
    parser.add_argument("--model", default="polarmp-water", help="model file or name (default: polarmp-water)")
    parser.add_argument("--platform", help="OpenMM platform (default: the fastest real device)")


def run(options: argparse.Namespace) -> int:
    """Run the demonstration."""
    from openmm_polarmp._platforms.trial import require_platform
    from openmm_polarmp.demo import run_demo

    if options.platform is not None:
        require_platform(options.platform)
    run_demo(options.output, options.molecules, options.steps, options.model, options.platform)
    return 0
