"""The ladder of models: every rung on the same data, with the same network, seeds and budget."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from openmm_polarmp._files import write_atomically
from openmm_polarmp.models import RUNGS, Rung, load_model
from openmm_polarmp.training.config import TrainingConfig
from openmm_polarmp.training.ladder_report import draw, order, table
from openmm_polarmp.training.metrics import UNITS
from openmm_polarmp.training.run import train


def climb(config: TrainingConfig, *, quiet: bool = False) -> list[dict[str, Any]]:
    """Train each rung with each seed, then write ``ladder.txt``, ``.json`` and ``.png`` below ``config.output``.

    Finished runs are not trained again and interrupted ones continue, so that runs can also be trained one by one or by
    several processes. The table has all runs that are finished. Those of the configuration's seed are in the folders
    ``RUNG``, those of the following seeds in ``seed-N/RUNG``; all have the same training and test frames.

    Parameters
    ----------
    config : TrainingConfig
        Its ``ladder`` says which rungs are trained and how often; its ``model.rung`` is replaced by each of them.
    quiet : bool
        Print nothing.

    Returns
    -------
    list of dict
        The finished runs, see `finished`.
    """
    rungs, seeds = config.ladder.rungs or RUNGS, config.ladder.seeds
    for rung in rungs:
        Rung.parse(rung)
    for seed in range(config.seed, config.seed + seeds):
        for rung in rungs:
            if not quiet:
                print(f"--- {rung}" + (f", seed {seed}" if seeds > 1 else ""), flush=True)
            train(_of_run(config, rung, seed), quiet=quiet)
    folder = Path(config.output)
    runs = finished(folder)
    write_atomically(folder / "ladder.txt", (table(runs) + "\n").encode())
    write_atomically(folder / "ladder.json", json.dumps(runs, indent=1).encode())
    if not quiet:
        print(table(runs))
    try:
        draw(folder / "ladder.png", runs)
    except ImportError as error:
        print(f"no ladder.png: {error}")
    return runs


def _of_run(config: TrainingConfig, rung: str, seed: int) -> TrainingConfig:
    """The configuration of one run. Other seeds keep the split of the configuration's seed."""
    model = dataclasses.replace(config.model, rung=rung)
    if seed == config.seed:
        return dataclasses.replace(config, model=model, output=str(Path(config.output) / rung))
    split_seed = config.seed if config.data.split_seed is None else config.data.split_seed
    data = dataclasses.replace(config.data, split_seed=split_seed)
    output = str(Path(config.output) / f"seed-{seed}" / rung)
    return dataclasses.replace(config, model=model, data=data, output=output, seed=seed)


def finished(folder: Path) -> list[dict[str, Any]]:
    """Errors of the finished runs, ordered by rung and seed: on the test frames, or on the validation frames without them."""
    runs = []
    for path in [*folder.glob("*/errors.json"), *folder.glob("seed-*/*/errors.json")]:
        errors = json.loads(path.read_text())
        model = load_model(path.parent / "model.polarmp")
        training = model.metadata["training"]
        frames = "test" if "test" in errors else "validation"
        run = {"rung": path.parent.name, "seed": training["seed"], "frames": frames}
        run["model"] = str((path.parent / "model.polarmp").relative_to(folder))
        run["parameters"] = sum(p.numel() for p in model.parameters())
        run |= {name: training[name] for name in ("epochs", "best_epoch")}
        runs.append(run | {name: values for name, values in errors[frames].items() if name in UNITS})
    return sorted(runs, key=lambda run: (*order(run["rung"]), run["seed"]))
