"""The command ``polarmp bench``."""

from __future__ import annotations

import argparse

from openmm_polarmp._extras import require_torch
from openmm_polarmp.commands._numbers import count, positive
from openmm_polarmp.commands._parser import command
from openmm_polarmp.sources.options import EVALUATORS


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "bench",
        "Time of a step: the electrostatics alone and beside others, the whole step by phase.",
        "polarmp bench --platform CPU --atoms 1000 3000 10000 --output bench.json",
        run,
    )
    parser.add_argument(
        "--atoms", type=count, nargs="+", help="sizes (default 1000 3000 10000; on a GPU 3000 24000 100000 1000000)"
    )
    parser.add_argument("--platform", default="CPU", help="OpenMM platform (default CPU)")
    parser.add_argument("--precision", help="single, mixed or double, on platforms that have a choice")
    parser.add_argument("--threads", type=count, help="threads of OpenMM and torch on the CPU (default: all)")
    parser.add_argument("--model", default="polarmp-water", help="model of the whole step (default polarmp-water)")
    parser.add_argument("--evaluator", choices=EVALUATORS, help="of the model's network (default: native)")
    parts = ("electrostatics", "step", "threads", "memory", "mutual", "floor")
    parser.add_argument("--parts", nargs="+", choices=parts, default=["electrostatics", "step"])
    parser.add_argument("--no-peers", action="store_true", help="leave out the dense sum, AMOEBA and point-charge PME")
    parser.add_argument("--seconds", type=positive, default=2.0, help="time for each number (default 2)")
    parser.add_argument("--output", help="write everything to this JSON file")


def run(options: argparse.Namespace) -> int:
    """Run the benchmarks."""
    require_torch("this command")
    from openmm_polarmp._platforms.trial import require_platform
    from openmm_polarmp.bench import run_bench

    require_platform(options.platform)
    run_bench(
        options.atoms,
        options.platform,
        precision=options.precision,
        threads=options.threads,
        model=options.model,
        evaluator=options.evaluator,
        parts=options.parts,
        peers=not options.no_peers,
        seconds=options.seconds,
        output=options.output,
    )
    return 0
