"""The command ``polarmp import-so3lr``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._numbers import positive
from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "import-so3lr",
        "Convert a model of SO3LR, pickled by so3krates-torch, to a model file. The pretrained one is shipped as 'so3lr'.",
        "polarmp import-so3lr mine.polarmp --model mine.model --licence CC-BY-4.0",
        run,
    )
    parser.add_argument("out", help="file to write (.polarmp)")
    parser.add_argument("--model", help="pickle to read (default: the pretrained model in so3krates-torch)")
    parser.add_argument("--elements", nargs="+", help="elements to keep (default: H C N O F P S Cl)")
    parser.add_argument(
        "--dispersion-cutoff", type=positive, default=12.0, help="range of the dispersion, A (default 12)"
    )
    parser.add_argument("--licence", default="", help="licence of the weights in --model")


def run(options: argparse.Namespace) -> int:
    """Convert the model."""
    from openmm_polarmp.hosts.so3lr import convert
    from openmm_polarmp.hosts.so3lr.convert import SPECIES
    from openmm_polarmp.models.elements import SYMBOLS

    unknown = [symbol for symbol in options.elements or () if symbol not in SYMBOLS[1:]]
    if unknown:
        raise ValueError(f"elements has {', '.join(unknown)}; symbols of elements are accepted")
    if options.licence and options.model is None:
        raise ValueError("licence is given without model; the pretrained model is under the MIT licence")
    model = convert(
        options.model,
        species=tuple(SYMBOLS.index(symbol) for symbol in options.elements) if options.elements else SPECIES,
        dispersion_cutoff=options.dispersion_cutoff,
        licence=options.licence,
    )
    model.save(options.out)
    print(f"{options.out}: {model.metadata['host']}")
    return 0
