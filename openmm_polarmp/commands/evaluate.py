"""The command ``polarmp evaluate``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from openmm_polarmp.commands._parser import add_keys, command, parse_keys


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "evaluate",
        "Errors of a model on labelled structures, of all atoms and per element.",
        "polarmp evaluate polarmp-water test.extxyz --output errors.json --plot errors.png",
        run,
    )
    parser.add_argument("model", help="path of a .polarmp file, or the name of a shipped model")
    parser.add_argument("data", nargs="+", help="extended XYZ, ASE database or HDF5 with energies and forces")
    parser.add_argument("--output", help="write the errors to this JSON file")
    parser.add_argument("--plot", help="draw parity plots to this PNG file")
    parser.add_argument("--eps-inf", type=float, default=1.0, help="optical dielectric constant (default 1)")
    parser.add_argument(
        "--no-born-charges", action="store_true", help="leave out Born charges, which are slow in boxes"
    )
    parser.add_argument("--precision", choices=("single", "double"), default="double")
    parser.add_argument("--device", default="cpu")
    add_keys(parser)


def run(options: argparse.Namespace) -> int:
    """Compare the model with the labels, and write tables and plots."""
    from openmm_polarmp._torch import checked_device, require_torch

    require_torch("this command")
    from openmm_polarmp.models import load_model
    from openmm_polarmp.training import compare, read_frames
    from openmm_polarmp.training.prepare import DTYPES, structures

    model = load_model(options.model).to(DTYPES[options.precision])
    symbols = _symbols(model.species)
    keys, device = parse_keys(options.keys), checked_device(options.device)
    frames = [frame for path in options.data for frame in read_frames(path, symbols, keys)]

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {len(frames)} structures", end="\n" if done == len(frames) else "", file=sys.stderr)

    members = structures(frames, model.cutoff, options.precision)
    comparison = compare(
        model,
        members,
        born_charges=not options.no_born_charges,
        eps_inf=options.eps_inf,
        device=device,
        progress=progress,
    )
    print(f"{options.model} on {len(frames)} structures, {options.precision} precision")
    print(comparison.table())
    if options.output:
        result = {
            "model": str(options.model),
            "sha256": model.sha256,
            "data": [str(path) for path in options.data],
            "structures": len(frames),
            "eps_inf": options.eps_inf,
            "units": "eV, A, e",
            "errors": comparison.statistics(),
            "latent_charges": comparison.mean_charges(),
            "sum_rule": comparison.sum_rule,
        }
        Path(options.output).write_text(json.dumps(result, indent=1))
    if options.plot:
        from openmm_polarmp.training.plots import draw

        draw(Path(options.plot), comparison, title=str(options.model))
    return 0


def _symbols(species: tuple[int, ...]) -> list[str]:
    import ase.data

    return [ase.data.chemical_symbols[z] for z in species]
