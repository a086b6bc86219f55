"""The command ``polarmp label``."""

from __future__ import annotations

import argparse
import sys

from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "label",
        "Energies, forces and dipoles by GFN2-xTB, and on request the response; continues an interrupted run.",
        "polarmp label structures.extxyz labelled.extxyz --response",
        run,
    )
    parser.add_argument("structures", help="structures in a format that ASE reads; info total_charge is their charge")
    parser.add_argument("out", help="extended XYZ to write; OUT.failed lists frames that did not converge")
    parser.add_argument("--method", default="GFN2-xTB", help="GFN2-xTB (default) or GFN1-xTB")
    parser.add_argument("--response", action="store_true", help="Born charges and polarizability too (clusters)")
    parser.add_argument(
        "--accuracy", type=float, default=0.1, help="tblite's accuracy: 1 is loose, 0.01 strict (default 0.1)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but failures")


def run(options: argparse.Namespace) -> int:
    """Label the structures."""
    import time

    import ase.io

    from openmm_polarmp.training.xtb import label

    frames = list(ase.io.iread(options.structures, ":"))
    start = time.monotonic()
    done: list[int] = []

    def progress(number: int, outcome: str) -> None:
        done.append(number)
        left = (time.monotonic() - start) / len(done) * (len(frames) - number - 1)
        if outcome != "done":
            print(f"frame {number}: {outcome}", file=sys.stderr)
        elif not options.quiet and (sys.stdout.isatty() or (number + 1) % 50 == 0 or number + 1 == len(frames)):
            print(f"frame {number + 1} of {len(frames)}, {left / 60:.1f} min left", flush=True)

    failed = label(
        frames,
        options.out,
        method=options.method,
        response=options.response,
        accuracy=options.accuracy,
        progress=progress,
    )
    print(f"{len(frames) - len(failed)} of {len(frames)} frames are labelled in {options.out}")
    return 0
