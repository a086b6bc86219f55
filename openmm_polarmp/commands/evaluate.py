"""The command ``polarmp evaluate``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from openmm_polarmp._extras import require_training
from openmm_polarmp.commands._numbers import optical_constant
from openmm_polarmp.commands._parser import add_keys, command, parse_keys

if TYPE_CHECKING:
    import ase

    from openmm_polarmp.training import Comparison


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
    parser.add_argument("--eps-inf", type=optical_constant, default=1.0, help="optical dielectric constant (default 1)")
    parser.add_argument(
        "--no-born-charges", action="store_true", help="leave out Born charges, which are slow in boxes"
    )
    parser.add_argument("--by", metavar="KEY", help="errors also of the frames with each value of info KEY")
    parser.add_argument("--precision", choices=("single", "double"), default="double")
    parser.add_argument("--device", default="cpu")
    add_keys(parser)


def run(options: argparse.Namespace) -> int:
    """Compare the model with the labels, and write tables and plots."""
    require_training("this command")
    from openmm_polarmp._torch import checked_device
    from openmm_polarmp.models import load_model
    from openmm_polarmp.training import compare, read_frames
    from openmm_polarmp.training.evaluation import joined
    from openmm_polarmp.training.prepare import DTYPES, structures

    model = load_model(options.model).to(DTYPES[options.precision])
    symbols = _symbols(model.species)
    keys, device = parse_keys(options.keys), checked_device(options.device)
    frames = [frame for path in options.data for frame in read_frames(path, symbols, keys)]

    before = 0

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            done += before
            print(f"\r{done} of {len(frames)} structures", end="\n" if done == len(frames) else "", file=sys.stderr)

    parts = {}
    for value, members in _parts(frames, options.by).items():
        parts[value] = compare(
            model,
            structures(members, model.cutoff, options.precision),
            born_charges=not options.no_born_charges,
            eps_inf=options.eps_inf,
            device=device,
            progress=progress,
        )
        before += len(members)
    comparison = joined(list(parts.values()))
    print(f"{options.model} on {len(frames)} structures, {options.precision} precision")
    print(comparison.table())
    if options.by is not None:
        print(_table_of_parts(options.by, parts))
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
        if options.by is not None:
            result[f"errors by {options.by}"] = {value: part.statistics() for value, part in parts.items()}
        Path(options.output).write_text(json.dumps(result, indent=1))
    if options.plot:
        from openmm_polarmp.training.plots import draw

        draw(Path(options.plot), comparison, title=str(options.model))
    return 0


def _parts(frames: list[ase.Atoms], key: str | None) -> dict[str, list[ase.Atoms]]:
    """The frames by the value of this entry of their ``info``; all of them under an empty name without a key."""
    if key is None:
        return {"": frames}
    parts: dict[str, list[ase.Atoms]] = {}
    for number, frame in enumerate(frames):
        if key not in frame.info:
            raise ValueError(
                f"by is {key!r}, which frame {number} does not have; keys of every frame's info are accepted"
            )
        parts.setdefault(str(frame.info[key]), []).append(frame)
    return dict(sorted(parts.items()))


def _table_of_parts(key: str, parts: dict[str, Comparison]) -> str:
    """Root mean square errors, a line for each part."""
    from openmm_polarmp.training.metrics import UNITS

    statistics = {value: part.statistics() for value, part in parts.items()}
    names = [name for name in UNITS if any(name in of_part for of_part in statistics.values())]
    lines = [f"RMSE by {key:22}" + "".join(f"{name:>18}" for name in names)]
    lines += [f"{'':30}" + "".join(f"{UNITS[name][0]:>18}" for name in names)]
    for value, of_part in statistics.items():
        errors = (f"{UNITS[n][1] * of_part[n]['rmse']:18.4g}" if n in of_part else f"{'-':>18}" for n in names)
        lines.append(f"{value:30}" + "".join(errors))
    return "\n".join(lines)


def _symbols(species: tuple[int, ...]) -> list[str]:
    import ase.data

    return [ase.data.chemical_symbols[z] for z in species]
