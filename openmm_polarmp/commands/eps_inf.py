"""The command ``polarmp eps-inf``."""

from __future__ import annotations

import argparse

from openmm_polarmp._extras import require_training
from openmm_polarmp.commands._numbers import count
from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "eps-inf",
        "Fit the optical dielectric constant to reference Born charges.",
        "polarmp eps-inf polarmp-water water.extxyz --frames 5",
        run,
    )
    parser.add_argument("model", help="path of a .polarmp file, or the name of a shipped model")
    parser.add_argument("data", help="structures with Born charges (born_charges or bec)")
    parser.add_argument(
        "--frames", type=count, default=5, help="number of structures, evenly spread over the file (default 5)"
    )


def run(options: argparse.Namespace) -> int:
    """Fit the constant and print it."""
    require_training("this command")
    import numpy as np
    import torch

    from openmm_polarmp.models import load_model
    from openmm_polarmp.training import Structure, compare, read_frames

    frames = [f for f in read_frames(options.data) if {"bec", "born_charges"} & set(f.arrays)]
    if not frames:
        raise ValueError(f"data is {options.data!r}, without Born charges; a file with born_charges or bec is accepted")
    chosen = frames[:: max(1, len(frames) // options.frames)][: options.frames]
    model = load_model(options.model).double()
    members = [Structure.of(frame, model.cutoff, torch.float64) for frame in chosen]
    comparison = compare(model, members, eps_inf=1.0)
    reference, latent = comparison.reference["born_charges"], comparison.predicted["born_charges"]
    # Born charges are sqrt(eps_inf) times those for eps_inf = 1: one factor by least squares
    factor = float((reference * latent).sum() / (latent**2).sum())
    residual = float(np.sqrt(((reference - factor * latent) ** 2).mean()))
    print(
        f"eps_inf = {factor**2:.4f}, from {len(chosen)} structures; Born charges then differ by {residual:.4f} e (rms)"
    )
    if factor < 0:
        print("the model's moments have the opposite sign of the reference")
    return 0
