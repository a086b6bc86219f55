"""``polarmp range``."""

from __future__ import annotations

import argparse

from openmm_polarmp._extras import require_training
from openmm_polarmp.commands._parser import add_keys, command, parse_keys


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "range",
        "Add to a model file what its training data covered, which an ExtrapolationReporter compares with.",
        "polarmp range old.polarmp train.extxyz --output new.polarmp",
        run,
    )
    parser.add_argument("model", help="path of a .polarmp file, or the name of a shipped model")
    parser.add_argument("data", nargs="+", help="the training frames, or some that cover the same")
    parser.add_argument(
        "--output", required=True, help="the .polarmp file to write; weights and moments stay as they are"
    )
    add_keys(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    require_training("this command")
    import dataclasses

    import torch

    from openmm_polarmp.models import TrainingRange, load_model, model_info
    from openmm_polarmp.training import Structure, read_frames, training_range

    model = load_model(options.model)
    keys = parse_keys(options.keys)
    frames = [frame for path in options.data for frame in read_frames(path, None, keys)]
    model.check_species(torch.tensor(sorted({int(z) for frame in frames for z in frame.numbers})))
    covered = training_range([Structure.of(frame, model.cutoff, torch.float64) for frame in frames], model)
    # Distances and forces were kept from all training frames; these frames may be a part of them.
    kept = TrainingRange(model.training_range.smallest_distances, model.training_range.largest_force)
    together = covered.extended(kept)
    model.training_range = dataclasses.replace(
        covered, smallest_distances=together.smallest_distances, largest_force=together.largest_force
    )
    model.save(options.output)
    print(model_info(options.output))
    return 0
