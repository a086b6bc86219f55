"""The text that `polarmp info` prints."""

from __future__ import annotations

import math
from pathlib import Path

from openmm_polarmp.models import file
from openmm_polarmp.models.description import UNITS, ModelDescription
from openmm_polarmp.models.elements import SYMBOLS
from openmm_polarmp.models.training_range import TrainingRange


def model_info(path_or_name: str | Path) -> str:
    """A description of a model file, verified against its checksum; needs no torch."""
    path = file.find(path_or_name)
    contents = file.read(path)
    model = ModelDescription.of(contents)
    lines = [
        ("file", path.name),
        ("sha256", contents.sha256),
        ("elements", ", ".join(SYMBOLS[z] for z in model.species)),
        ("rung", model.config.rung),
        *model.config.rows(),
        (
            "electrostatics",
            f"sigma {model.sigma} A, accuracy {model.accuracy:g}, "
            + ("converged in k" if model.k_max is None else f"k_max {model.k_max} /A")
            + (", total charge imposed" if model.charge_projection else ", total charge free"),
        ),
        ("units", ", ".join(f"{what} {unit}" for what, unit in UNITS.items())),
        ("training data", model.training_data or "not stated"),
        ("licence", model.licence or "not stated"),
    ]
    metadata = dict(model.metadata)
    errors, training = metadata.pop("errors", {}), metadata.pop("training", {})
    lines += [(key, str(value)) for key, value in sorted(metadata.items())]
    text = _table(lines)
    if training:
        text += "\n\ntraining\n" + _table(_entries(training))
    if errors:
        text += "\n\nerrors" + "".join(f"\n{line}" for line in _errors(errors))
    covered = _range_table(model.training_range)
    return text + (f"\n\nrange of the training data\n{_table(covered)}" if covered else "")


def _table(rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _entries(values: dict, prefix: str = "") -> list[tuple[str, str]]:
    """Rows of nested settings, such as ``optimizer.epochs``."""
    rows = []
    for name, value in values.items():
        if isinstance(value, dict) and not all(str(key).isdigit() for key in value):
            rows += _entries(value, f"{prefix}{name}.")
        else:
            # A schedule over epochs.
            schedule = isinstance(value, dict) and ", ".join(f"{v} at epoch {epoch}" for epoch, v in value.items())
            rows.append((prefix + name, schedule or str(value)))
    return rows


def _errors(errors: dict) -> list[str]:
    """A row for each quantity, columns for the rmse and mae of each set of frames."""
    quantities = list(dict.fromkeys(name for found in errors.values() for name in found))
    columns = [(frames, kind) for frames in errors for kind in ("rmse", "mae")]
    names = max(map(len, quantities), default=0)
    lines = [" " * names + "".join(f"  {f'{frames} {kind}':>16}" for frames, kind in columns)]
    for quantity in quantities:
        values = [errors[frames].get(quantity, {}).get(kind) for frames, kind in columns]
        cells = "".join(f"  {'' if v is None else format(v, '.4g'):>16}" for v in values)
        lines.append(f"{quantity:<{names}}{cells}")
    return lines


def _range_table(covered: TrainingRange) -> list[tuple[str, str]]:
    """What an `ExtrapolationReporter` compares with."""
    rows = [
        (f"shortest {SYMBOLS[a]}-{SYMBOLS[b]}", f"{d:.3f} A")
        for (a, b), d in sorted(covered.smallest_distances.items())
    ]
    rows += [
        (f"farthest nearest {SYMBOLS[b]} of {SYMBOLS[a]}", f"{d:.3f} A" if math.isfinite(d) else "may be missing")
        for (a, b), d in sorted(covered.nearest.items())
    ]
    rows += [
        (f"{SYMBOLS[b]} bonded to {SYMBOLS[a]}", f"{low:g} to {high:g}")
        for (a, b), (low, high) in sorted(covered.bonded.items())
        if high > 0
    ]
    rows += [
        (f"neighbours of {SYMBOLS[a]}", f"{low:g} to {high:g} within {covered.reach:g} A")
        for a, (low, high) in sorted(covered.neighbors.items())
    ]
    if covered.energy is not None:
        low, high = covered.energy
        rows.append(("energy by atom", f"{low:.4f} to {high:.4f} eV, reference energies left out"))
    if covered.largest_force is not None:
        rows.append(("largest force", f"{covered.largest_force:.2f} eV/A"))
    return rows
