"""The command ``polarmp label``."""

from __future__ import annotations

import argparse
import sys

from openmm_polarmp._extras import require
from openmm_polarmp.commands._numbers import count, positive
from openmm_polarmp.commands._parser import command

EXTRAS = {"pyscf": "dft", "cp2k": "ase", "gfn2": "label", "gfn1": "label"}
"""The extra of each kind of method; models of this package, the others, need that for training."""


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "label",
        "Energies, forces and dipoles by a teacher or an electronic-structure method, and on request the response; continues an "
        "interrupted run.",
        "polarmp label structures.extxyz labelled.extxyz --method so3lr",
        run,
    )
    parser.add_argument("structures", help="structures in a format that ASE reads; info total_charge is their charge")
    parser.add_argument("out", help="extended XYZ to write; OUT.failed lists frames that did not converge")
    parser.add_argument(
        "--method",
        default="gfn2",
        help="gfn2 (default), gfn1, so3lr, MODEL.polarmp, pyscf:FUNCTIONAL/BASIS or cp2k:TEMPLATE",
    )
    parser.add_argument("--response", action="store_true", help="Born charges and polarizability too (clusters)")
    parser.add_argument("--processes", type=count, default=1, help="number of processes (default 1)")
    parser.add_argument("--accuracy", type=positive, help="of GFN-xTB: 1 is loose, 0.01 strict (default 0.1)")
    parser.add_argument("--quiet", action="store_true", help="print nothing but failures")


def run(options: argparse.Namespace) -> int:
    """Label the structures."""
    kind = options.method.lower().partition(":")[0].removesuffix("-xtb")
    require("this command", EXTRAS.get(kind, "train"), ["ase"])
    import time

    import ase.io

    from openmm_polarmp.training.labelling import label

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
        processes=options.processes,
        accuracy=options.accuracy,
        progress=progress,
    )
    print(f"{len(frames) - len(failed)} of {len(frames)} frames are labelled in {options.out}")
    return 0
