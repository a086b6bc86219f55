"""A whole training run: data, model, training, the final errors and the report."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from openmm_polarmp._version import __version__
from openmm_polarmp.models import PolarMPModel, load_model, use_tensor_products
from openmm_polarmp.training.config import TrainingConfig
from openmm_polarmp.training.electronegativity import reversed_signs
from openmm_polarmp.training.evaluation import Comparison, compare
from openmm_polarmp.training.parallel import Processes, processes
from openmm_polarmp.training.prepare import Frames, build_model, check_labels, covered_by, load_frames, structures
from openmm_polarmp.training.trainer import Trainer


@dataclass
class TrainingResult:
    """What a finished run leaves.

    Attributes
    ----------
    model : PolarMPModel
        The best epoch's, as in the file ``model.polarmp``.
    errors : dict
        For ``validation`` and ``test`` the statistics of `Comparison`.
    rows : list of dict
        The log, a row for each epoch.
    milliseconds : dict
        Time of each phase for a structure.
    """

    model: PolarMPModel
    errors: dict[str, dict]
    rows: list[dict]
    milliseconds: dict[str, float]


def train(config: TrainingConfig, *, restart: bool = False, quiet: bool = False) -> TrainingResult | None:
    """
    Train a model; go on where an interrupted run with the same configuration stopped.

    Parameters
    ----------
    config
        What to do
    restart
        Delete a run that is in the output folder, finished or not, and begin anew
    quiet
        Print nothing

    Returns
    -------
    The result, None in all processes of torchrun but the first
    """
    folder = Path(config.output)
    frames = load_frames(config.data, config.seed)
    check_labels(frames, config)
    with processes(config.device) as own:
        if own.first:
            _prepare_folder(folder, config, restart)
        own.wait()
        result = _run(folder, config, frames, own, quiet)
        own.wait()  # a process that closes its connections while another still works can end by a signal
        return result


def _run(folder: Path, config: TrainingConfig, frames: Frames, own: Processes, quiet: bool) -> TrainingResult | None:
    """Train; the first process also measures and reports."""
    model = build_model(config, frames.train)
    use_tensor_products(model.network, config.tensor_products)
    training = structures(frames.train, model.cutoff, config.precision)
    validation = structures(frames.validation, model.cutoff, config.precision)
    if config.model.start is None:
        model.training_range = covered_by(training, model)
    else:
        model.training_range = model.training_range.extended(covered_by(training, model))
    trainer = Trainer(config, model, training, validation, frames.fingerprint(), own, quiet)
    if trainer.resumed:
        trainer.progress.say(f"going on after step {trainer.step} of {trainer.total_steps}")
    else:
        count = sum(p.numel() for p in model.parameters())
        trainer.progress.say(
            f"{len(training)} training, {len(validation)} validation, {len(frames.test)} test frames; "
            f"{count} parameters, {own.count} x {own.device}, {torch.get_num_threads()} threads"
        )
    trainer.run()
    if not own.first:
        return None
    test = structures(frames.test, model.cutoff, config.precision)
    return _finish(folder, config, trainer, {"validation": validation, "test": test}, own)


def _prepare_folder(folder: Path, config: TrainingConfig, restart: bool) -> None:
    import yaml

    if restart and (folder / "checkpoint.pt").is_file():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "checkpoint.pt").is_file():
        (folder / "config.yaml").write_text(yaml.safe_dump(config.to_dict(), sort_keys=False))


def _finish(folder: Path, config: TrainingConfig, trainer: Trainer, held_out: dict, own: Processes) -> TrainingResult:
    """Orient the signs, measure on the held-out frames, write the model's card and the report."""
    model = load_model(folder / "model.polarmp")
    eps_inf = config.loss.eps_inf
    watched = held_out["test"] or held_out["validation"] or trainer.training[:20]
    if _may_flip(config, model, watched):
        sample = compare(model, watched[:20], born_charges=False, device=own.device)
        if reversed_signs(sample.species, sample.charges):
            model.network.heads.flip_signs()
    errors, texts, best = {}, [], trainer.best["epoch"]
    shown: Comparison | None = None
    for name, members in held_out.items():
        if members:
            found = compare(model, members, eps_inf=eps_inf, device=own.device, born_charges=name == "test")
            errors[name], shown = found.statistics(), found
            texts.append(f"{name}, {len(members)} frames\n{found.table()}")
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
        },
        "errors": {
            name: {label: {"rmse": v["rmse"], "mae": v["mae"]} for label, v in found.items()}
            for name, found in errors.items()
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
    if shown is not None:
        _draw(trainer, shown, f"{'test' if 'test' in errors else 'validation'} frames")
    trainer.progress.say("\n" + "\n\n".join(texts) + f"\n\nmodel and report are in {folder}")
    return TrainingResult(model, errors, trainer.rows, trainer.milliseconds)


def _may_flip(config: TrainingConfig, model: PolarMPModel, sample: list) -> bool:
    """Nothing else may fix the sign: no label of a dipole or Born charge was learned, no structure has a net charge."""
    learned = any(getattr(config.loss, name) for name in ("dipole", "born_charges"))
    neutral = all(s.total_charge == 0 for s in sample) or not model.charge_projection
    return model.has_electrostatics and config.model.start is None and not learned and neutral


def _draw(trainer: Trainer, comparison: Comparison, title: str) -> None:
    try:
        from openmm_polarmp.training.report import draw

        draw(trainer.folder / "report.png", comparison, trainer.rows, title)
    except ImportError as error:
        trainer.progress.say(f"no report.png: {error}")
