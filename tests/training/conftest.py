"""Small runs on ions with known charges."""

from types import SimpleNamespace

import ase.io
import pytest
from support.ionic import ionic_frames

from openmm_polarmp.training import TrainingConfig

SMALL = {
    "rung": "q",
    "cutoff": 4.0,
    "layers": 1,
    "channels": 8,
    "message_channels": 4,
    "hidden": 16,
    "l_max": 1,
    "accuracy": 1e-4,
}


def write_data(path, count=6, **options):
    """An extended XYZ file of ions."""
    ase.io.write(path, ionic_frames(count, **options))
    return path


def values():
    """Of a configuration file."""
    return {
        "data": {"train": ["ions.extxyz"], "validation": 2},
        "output": "run",
        "model": SMALL,
        "optimizer": {"epochs": 2, "learning_rate": 0.01, "batch_size": 2, "hold_charges": 3},
        "precision": "double",
    }


def configure(folder, **changes):
    """A short run of a small network in double precision, in which every part can be replaced."""
    settings = values()
    for name, change in changes.items():
        settings[name] = {**settings[name], **change} if isinstance(settings.get(name), dict) else change
    if not (folder / "ions.extxyz").exists():
        write_data(folder / "ions.extxyz")
    return TrainingConfig.from_dict(settings, folder)


@pytest.fixture
def runs():
    """The helpers of this file."""
    return SimpleNamespace(configure=configure, values=values, write_data=write_data, small=SMALL)
