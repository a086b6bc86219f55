"""The command ``polarmp info``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(commands, "info", "Describe a model file or a shipped model.", "polarmp info polarmp-water", run)
    parser.add_argument("model", help="path of a .polarmp file, or the name of a shipped model")


def run(options: argparse.Namespace) -> int:
    """Print the description."""
    from openmm_polarmp.models import model_info

    print(model_info(options.model))
    return 0
