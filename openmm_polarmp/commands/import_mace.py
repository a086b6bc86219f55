"""The command ``polarmp import-mace``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "import-mace",
        "Convert a MACE model, in an environment with mace-torch, to a model file. This unpickles the file, which can run any "
        "code in it: import only files that you trust. The result contains data only.",
        "polarmp import-mace mace-small.model mace-small.polarmp --licence MIT",
        run,
    )
    parser.add_argument("model", help="file of mace-torch's (.model)")
    parser.add_argument("output", help="file to write (.polarmp)")
    parser.add_argument("--licence", required=True, help="licence of the weights, for the model file")
    parser.add_argument("--origin", default="", help="where the weights are from (default: the file's name)")
    parser.add_argument("--head", help="name of the head, of a model with several")


def run(options: argparse.Namespace) -> int:
    """Convert the model."""
    from openmm_polarmp.hosts.registry import host_module
    from openmm_polarmp.models import model_info

    host_module("mace")
    from openmm_polarmp.hosts.mace_import import import_mace

    model = import_mace(options.model, options.licence, options.head, options.origin)
    model.save(options.output)
    print(model_info(options.output))
    return 0
