"""The command ``polarmp train``."""

from __future__ import annotations

import argparse

from openmm_polarmp._extras import require_training
from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "train",
        "Train a model on energies and forces; continues an interrupted run.",
        "polarmp train water.yaml\n  torchrun --nproc-per-node 2 -m openmm_polarmp train water.yaml",
        run,
    )
    parser.add_argument("config", help="a YAML file (see openmm_polarmp/training/config.py)")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="delete the files of the run in the output folder, no others, and begin again",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing")


def run(options: argparse.Namespace) -> int:
    """Train the model."""
    require_training("this command")
    from openmm_polarmp.training import TrainingConfig, train

    train(TrainingConfig.read(options.config), restart=options.restart, quiet=options.quiet)
    return 0
