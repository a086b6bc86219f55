"""A whole training run: data, model, training, final errors and report."""

from __future__ import annotations

import dataclasses
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import torch

from openmm_polarmp._version import __version__
from openmm_polarmp.models import PolarMPModel, load_model, use_tensor_products
from openmm_polarmp.models.electronegativity import reversed_signs
from openmm_polarmp.training.config import TrainingConfig
from openmm_polarmp.training.data import Structure
from openmm_polarmp.training.evaluation import Comparison, compare
from openmm_polarmp.training.folder import delete_run, write_config
from openmm_polarmp.training.initial_energies import adapt_single_atoms
from openmm_polarmp.training.parallel import Processes, processes
from openmm_polarmp.training.prepare import (
    Frames,
    build_model,
    check_labels,
    check_units,
    load_frames,
    structures,
    training_range,
)
from openmm_polarmp.training.trainer import Trainer


@dataclass
class TrainingResult:
    """The results of a finished run.

    Attributes
    ----------
    model : PolarMPModel
        The model of the best epoch, as in the file ``model.polarmp``.
    errors : dict
        Statistics of `Comparison` on the ``validation`` and ``test`` frames.
    rows : list of dict
        The log, a row for each epoch.
    milliseconds : dict
        Time of each phase, per structure.
    """

    model: PolarMPModel
    errors: dict[str, dict]
    rows: list[dict]
    milliseconds: dict[str, float]


def train(config: TrainingConfig, *, restart: bool = False, quiet: bool = False) -> TrainingResult | None:
    """Train a model, or continue an interrupted run with the same configuration.

    Parameters
    ----------
    config : TrainingConfig
        Configuration of the run.
    restart : bool
        Delete the files of a run in the output folder, finished or not, and begin again; other files stay.
    quiet : bool
        Print nothing.

    Returns
    -------
    TrainingResult or None
        None in all processes of torchrun except the first.
    """
    folder = Path(config.output)
    frames = load_frames(config.data, config.seed)
    check_labels(frames, config)
    check_units(frames, config)
    with processes(config.device) as group:
        if group.first:
            if restart:
                delete_run(config)
            folder.mkdir(parents=True, exist_ok=True)
        group.wait()
        result = _run(folder, config, frames, group, quiet)
        group.wait()  # no process closes its connections while another still works
        return result


def _run(folder: Path, config: TrainingConfig, frames: Frames, group: Processes, quiet: bool) -> TrainingResult | None:
    """Train; the first process also evaluates and reports."""
    model = build_model(config, frames.train)
    other_level = None if config.model.start is None else adapt_single_atoms(model, frames.train)
    use_tensor_products(model.network, config.tensor_products)
    training = structures(frames.train, model.cutoff, config.precision)
    validation = structures(frames.validation, model.cutoff, config.precision)
    covered = training_range(training, model)
    model.training_range = covered if config.model.start is None else model.training_range.extended(covered)
    trainer = Trainer(config, model, training, validation, frames.fingerprint(), group, quiet)
    if group.first:
        write_config(config)
    if trainer.resumed:
        trainer.progress.message(f"continuing after step {trainer.step} of {trainer.total_steps}")
    else:
        count = sum(p.numel() for p in model.parameters())
        trainer.progress.message(
            f"{len(training)} training, {len(validation)} validation, {len(frames.test)} test frames; "
            f"{count} parameters, {group.count} x {group.device}, {torch.get_num_threads()} threads"
        )
        if other_level is not None:
            trainer.progress.message(
                f"energies of single atoms are fitted anew: those of model.start missed these labels by {other_level:.3g} eV per atom, as "
                "of another level of theory"
            )
    trainer.run()
    if not group.first:
        return None
    test = structures(frames.test, model.cutoff, config.precision)
    return _finish(folder, config, trainer, {"validation": validation, "test": test}, group.device)


def _finish(
    folder: Path,
    config: TrainingConfig,
    trainer: Trainer,
    held_out: dict[str, list[Structure]],
    device: torch.device,
) -> TrainingResult:
    """Choose the sign of the moments, evaluate the held-out frames, write the model's metadata and the report."""
    model = load_model(folder / "model.polarmp")
    eps_inf = config.loss.eps_inf
    sample = held_out["test"] or held_out["validation"] or trainer.training[:20]
    if _sign_is_free(config, model, sample):
        comparison = compare(model, sample[:20], born_charges=False, device=device)
        if reversed_signs(comparison.species, comparison.charges):
            model.network.heads.flip_signs()
            if model.network.edge_heads is not None:
                model.network.edge_heads.flip_signs()
    errors, texts, best = {}, [], trainer.best["epoch"]
    last: Comparison | None = None
    for name, members in held_out.items():
        if members:
            last = compare(model, members, eps_inf=eps_inf, device=device, born_charges=name == "test")
            errors[name] = last.statistics()
            texts.append(f"{name}, {len(members)} frames\n{last.table()}")
    model = model.cpu()
    model.metadata = {
        **model.metadata,
        "openmm-polarmp": __version__,
        "training": {
            "frames": len(trainer.training),
            "epochs": trainer.rows[-1]["epoch"] + 1,
            "best_epoch": best,
            "optimizer": dataclasses.asdict(config.optimizer),
            "loss": json.loads(json.dumps(dataclasses.asdict(config.loss))),
            "seed": config.seed,
            **({"host_training": config.model.host_training} if hasattr(model.network, "host") else {}),
        },
        "errors": {
            name: {label: {"rmse": v["rmse"], "mae": v["mae"]} for label, v in statistics.items()}
            for name, statistics in errors.items()
        },
    }
    model.save(folder / "model.polarmp")
    seconds = sum(row["seconds"] for row in trainer.rows)
    phases = ", ".join(f"{name} {value:.1f}" for name, value in trainer.milliseconds.items())
    texts.insert(
        0,
        f"{trainer.rows[-1]['epoch'] + 1} epochs of {len(trainer.training)} frames in {seconds / 60:.1f} min, best epoch {best}\n"
        f"milliseconds for a frame: {phases}",
    )
    (folder / "report.txt").write_text("\n\n".join(texts) + "\n")
    (folder / "errors.json").write_text(json.dumps(errors, indent=1))
    if last is not None:
        _draw(trainer, last, f"{'test' if 'test' in errors else 'validation'} frames")
    look = f"model and report are in {folder}; look at them with: polarmp view {shlex.quote(str(folder))} --open"
    trainer.progress.message("\n" + "\n\n".join([*texts, look]))
    return TrainingResult(model, errors, trainer.rows, trainer.milliseconds)


def _sign_is_free(config: TrainingConfig, model: PolarMPModel, sample: list[Structure]) -> bool:
    """Whether nothing determines the moments' sign: no dipoles or Born charges were learned, no structure is charged."""
    learned = any(getattr(config.loss, name) for name in ("dipole", "born_charges"))
    neutral = all(s.total_charge == 0 for s in sample) or not model.charge_projection
    free = not learned and neutral and not any(model.formal_charges.values())
    return model.has_electrostatics and config.model.start is None and free


def _draw(trainer: Trainer, comparison: Comparison, title: str) -> None:
    try:
        from openmm_polarmp.training.plots import draw

        held = trainer.hold_steps / trainer.steps_per_epoch
        draw(trainer.folder / "report.png", comparison, trainer.rows, title, held)
    except ImportError as error:
        trainer.progress.message(f"no report.png: {error}")
