"""The files of a run, beside which its folder may hold any others: data, the configuration, runs of a ladder."""

from __future__ import annotations

from pathlib import Path

from openmm_polarmp.training.config import TrainingConfig

CHECKPOINT = "checkpoint.pt"
FILES = ("model.polarmp", "log.csv", "report.txt", "report.png", "errors.json", CHECKPOINT)
"""The checkpoint, by which a run is known, is the last: what is left of an interrupted deletion can be deleted again."""
TENSORBOARD = "tensorboard"


def delete_run(config: TrainingConfig) -> None:
    """Delete the files of a run in the output folder, if there is one, and nothing else.

    The configuration stays; a new run writes its own.

    Raises
    ------
    ValueError
        If the new run starts from the model that would be deleted.
    """
    folder = Path(config.output)
    if not (folder / CHECKPOINT).is_file():
        return
    start = config.model.start
    if start is not None and Path(start).is_file() and Path(start).samefile(folder / "model.polarmp"):
        raise ValueError(
            f"model.start is {start!r}, the model of the run that would be deleted; a model in another folder is accepted"
        )
    events = folder / TENSORBOARD
    for path in [*events.glob("events.out.tfevents.*"), *(folder / name for name in FILES)]:
        path.unlink(missing_ok=True)
    if events.is_dir() and not any(events.iterdir()):
        events.rmdir()


def write_config(config: TrainingConfig) -> None:
    """Write the configuration into the output folder, unless it was read from the file there, which has its comments."""
    import yaml

    path = Path(config.output) / "config.yaml"
    if not _is_read_from(path, config):
        path.write_text(yaml.safe_dump(config.to_dict(), sort_keys=False))


def _is_read_from(path: Path, config: TrainingConfig) -> bool:
    try:
        return TrainingConfig.read(path) == config
    except (FileNotFoundError, ValueError):
        return False
