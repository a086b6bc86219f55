"""Table and plot of the runs of a ladder, with the scatter over the seeds of each rung."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openmm_polarmp._extras import require
from openmm_polarmp.models import RUNGS
from openmm_polarmp.training.metrics import UNITS

WITH_R2 = ("born_charges", "polarizability")


def table(runs: list[dict[str, Any]]) -> str:
    """The rungs and their errors as text: mean and standard deviation where a rung was trained with several seeds."""
    labels = _labels(runs)
    rungs = by_rung(runs)
    several = any(len(members) > 1 for members in rungs.values())
    wide, narrow = (24, 19) if several else (22, 9)
    head = f"{'rung':8}{'parameters':>11}{'epochs':>7}" + (f"{'seeds':>7}" if several else "")
    for name in labels:
        head += f"{f'{name} ({UNITS[name][0]})':>{wide}}" + (f"{'R2':>{narrow}}" if name in WITH_R2 else "")
    lines = [head]
    for rung, members in rungs.items():
        line = f"{rung:8}{members[0]['parameters']:11d}{max(run['epochs'] for run in members):7d}"
        line += f"{len(members):7d}" if several else ""
        for name in labels:
            present = [run[name] for run in members if name in run]
            line += f"{scatter([UNITS[name][1] * value['rmse'] for value in present]):>{wide}}"
            if name in WITH_R2:
                line += f"{scatter([value['r2'] for value in present], '.4f'):>{narrow}}"
        lines.append(line)
    frames = sorted({run["frames"] for run in runs})
    lines.append(f"root mean square errors on the {' and '.join(frames)} frames")
    if several:
        lines[-1] += "; mean +- standard deviation over the seeds"
    return "\n".join(lines)


def over_sets(sets: dict[str, list[dict[str, Any]]]) -> str:
    """Rungs times sets of data: a table for each label, with mean and standard deviation over the seeds."""
    lines = []
    everything = [run for runs in sets.values() for run in runs]
    rungs = sorted({run["rung"] for run in everything}, key=order)
    for name in _labels(everything):
        having = {key: [run for run in runs if name in run] for key, runs in sets.items()}
        having = {key: runs for key, runs in having.items() if runs}
        rows = [[f"{name} ({UNITS[name][0]})", *having]]
        for rung in rungs:
            of_rung = [by_rung(runs).get(rung, []) for runs in having.values()]
            if any(of_rung):
                rows.append(
                    [rung, *(scatter([UNITS[name][1] * run[name]["rmse"] for run in runs]) for runs in of_rung)]
                )
        widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
        lines.append("")
        for first, *values in rows:
            cells = [f"{value:>{width}}" for value, width in zip(values, widths[1:], strict=True)]
            lines.append(f"{first:{widths[0] - 2}}" + "".join(cells))
    return "\n".join(lines)


def scatter(values: Sequence[float], form: str = ".4g") -> str:
    """Mean +- standard deviation (of a sample, with n - 1); the value itself of a single run, and "-" of none."""
    if len(values) == 0:
        return "-"
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{np.mean(values):{form}} +- {np.std(values, ddof=1):{'.2g' if form == '.4g' else form}}"


def order(rung: str) -> tuple[int, str]:
    """Key that sorts rungs from none to all moments and responses."""
    return RUNGS.index(rung) if rung in RUNGS else len(RUNGS), rung


def by_rung(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The runs of each rung, in the order in which they come."""
    rungs: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        rungs.setdefault(run["rung"], []).append(run)
    return rungs


def draw(path: Path, runs: list[dict[str, Any]]) -> None:
    """Draw the errors as PNG: a bar for the mean of each rung, and a dot for each seed if there are several."""
    require("a plot", "train", ["matplotlib"])
    from matplotlib.figure import Figure

    labels = _labels(runs)
    figure = Figure(figsize=(3.4 * len(labels), 3.2), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
        unit, factor = UNITS[name]
        rungs = by_rung([run for run in runs if name in run])
        errors = {rung: [factor * run[name]["rmse"] for run in members] for rung, members in rungs.items()}
        axis.bar(list(errors), [np.mean(values) for values in errors.values()])
        for rung, values in errors.items():
            if len(values) > 1:
                axis.plot([rung] * len(values), values, "k.", markersize=4)
        axis.set(title=name.replace("_", " "), ylabel=f"RMSE ({unit})")
        axis.tick_params(axis="x", rotation=60)
    figure.savefig(path, dpi=110)


def _labels(runs: list[dict[str, Any]]) -> list[str]:
    return [name for name in UNITS if any(name in run for run in runs)]
