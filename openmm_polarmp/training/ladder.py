"""The ladder of models: every rung on the same data, with the same network, seed and budget."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openmm_polarmp._files import write_atomically
from openmm_polarmp.models import RUNGS, Rung, load_model
from openmm_polarmp.training.config import TrainingConfig
from openmm_polarmp.training.metrics import UNITS
from openmm_polarmp.training.run import train

WITH_R2 = ("born_charges", "polarizability")


def climb(config: TrainingConfig, rungs: Sequence[str] = RUNGS, *, quiet: bool = False) -> list[dict[str, Any]]:
    """Train each rung in its folder below ``config.output``, then write ``ladder.txt``, ``.json`` and ``.png``.

    Finished rungs are not trained again and interrupted ones continue, so that rungs can also be trained one by one or by
    several processes. The table has all rungs that are finished.

    Parameters
    ----------
    config : TrainingConfig
        Its ``model.rung`` is replaced by each rung.
    rungs : sequence of str
        The rungs to train.
    quiet : bool
        Print nothing.

    Returns
    -------
    list of dict
        The rows of the table, see `finished`.
    """
    for rung in rungs:
        Rung.parse(rung)
    for rung in rungs:
        if not quiet:
            print(f"--- {rung}", flush=True)
        model = dataclasses.replace(config.model, rung=rung)
        train(dataclasses.replace(config, model=model, output=str(Path(config.output) / rung)), quiet=quiet)
    folder = Path(config.output)
    rows = finished(folder)
    write_atomically(folder / "ladder.txt", (table(rows) + "\n").encode())
    write_atomically(folder / "ladder.json", json.dumps(rows, indent=1).encode())
    if not quiet:
        print(table(rows))
    try:
        _draw(folder / "ladder.png", rows)
    except ImportError as error:
        print(f"no ladder.png: {error}")
    return rows


def finished(folder: Path) -> list[dict[str, Any]]:
    """Errors of the rungs that are finished: on the test frames, or on the validation frames if there are none."""
    rows = []
    for rung in sorted((p.parent.name for p in folder.glob("*/errors.json")), key=_order):
        errors = json.loads((folder / rung / "errors.json").read_text())
        model = load_model(folder / rung / "model.polarmp")
        frames = "test" if "test" in errors else "validation"
        training = model.metadata["training"]
        parameters = sum(p.numel() for p in model.parameters())
        row = {"rung": rung, "frames": frames, "parameters": parameters, "epochs": training["epochs"]}
        row["best_epoch"] = training["best_epoch"]
        rows.append(row | {name: values for name, values in errors[frames].items() if name in UNITS})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rungs and their errors as text."""
    labels = [name for name in UNITS if any(name in row for row in rows)]
    head = f"{'rung':8}{'parameters':>11}{'epochs':>7}"
    for name in labels:
        head += f"{f'{name} ({UNITS[name][0]})':>22}" + (f"{'R2':>9}" if name in WITH_R2 else "")
    lines = [head]
    for row in rows:
        line = f"{row['rung']:8}{row['parameters']:11d}{row['epochs']:7d}"
        for name in labels:
            value = row.get(name)
            line += f"{'-':>22}" if value is None else f"{UNITS[name][1] * value['rmse']:22.4g}"
            if name in WITH_R2:
                line += f"{'-':>9}" if value is None else f"{value['r2']:9.4f}"
        lines.append(line)
    frames = sorted({row["frames"] for row in rows})
    return "\n".join([*lines, f"root mean square errors on the {' and '.join(frames)} frames"])


def _order(rung: str) -> tuple[int, str]:
    return RUNGS.index(rung) if rung in RUNGS else len(RUNGS), rung


def _draw(path: Path, rows: list[dict[str, Any]]) -> None:
    from matplotlib.figure import Figure

    labels = [name for name in UNITS if any(name in row for row in rows)]
    figure = Figure(figsize=(3.4 * len(labels), 3.2), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
        unit, factor = UNITS[name]
        measured = [row for row in rows if name in row]
        axis.bar([row["rung"] for row in measured], [factor * row[name]["rmse"] for row in measured])
        axis.set(title=name.replace("_", " "), ylabel=f"RMSE ({unit})")
        axis.tick_params(axis="x", rotation=60)
    figure.savefig(path, dpi=110)
