"""Frames, structures and the initial model of a training run, from its configuration."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ase
import numpy as np
import torch

from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet, TrainingRange, load_model
from openmm_polarmp.training.config import DataConfig, ModelConfig, TrainingConfig
from openmm_polarmp.training.data import labels, read_frames
from openmm_polarmp.training.data.statistics import average_neighbors, force_scale, single_atoms
from openmm_polarmp.training.data.structure import Structure
from openmm_polarmp.training.data.suspicions import shortest_bonds, suspicions
from openmm_polarmp.training.hosts import freeze, hosted_network
from openmm_polarmp.training.initial_energies import fit_single_atoms
from openmm_polarmp.training.loss import optional_labels

DTYPES = {"single": torch.float32, "double": torch.float64}


@dataclass
class Frames:
    """The frames of a run: for training, for the choice of the best epoch, and for the final errors."""

    train: list[ase.Atoms]
    validation: list[ase.Atoms]
    test: list[ase.Atoms]

    def fingerprint(self) -> str:
        """Hash of all positions and labels."""
        digest = hashlib.sha256()
        for frames in (self.train, self.validation, self.test):
            digest.update(str(len(frames)).encode())
            for frame in frames:
                digest.update(frame.numbers.tobytes() + frame.positions.tobytes())
                for name, value in sorted(labels(frame).items()):
                    digest.update(name.encode() + value.tobytes())
        return digest.hexdigest()


def load_frames(config: DataConfig, seed: int) -> Frames:
    """Read the files and split the frames."""
    frames = _read(config.train, config.keys)
    elements = {symbol for frame in frames for symbol in frame.symbols}
    held_out: dict[str, list[ase.Atoms]] = {}
    order = np.arange(len(frames))
    if config.split == "random":
        chosen = seed if config.split_seed is None else config.split_seed
        order = np.random.default_rng(chosen).permutation(len(frames))
    for name in ("test", "validation"):  # from the end: the training frames come first
        setting = getattr(config, name)
        if isinstance(setting, list):
            held_out[name] = _read(setting, config.keys, elements)
            continue
        count = _count(f"data.{name}", setting, len(frames), len(order))
        held_out[name] = [frames[i] for i in order[len(order) - count :]]
        order = order[: len(order) - count]
    return Frames([frames[i] for i in order], held_out["validation"], held_out["test"])


def structures(frames: Sequence[ase.Atoms], cutoff: float, precision: str) -> list[Structure]:
    """Tensors of all frames, in this precision."""
    return [Structure.of(frame, cutoff, DTYPES[precision], number) for number, frame in enumerate(frames)]


def check_units(frames: Frames, config: TrainingConfig) -> None:
    """Warn of labels that seem to be in another unit; raise a ValueError if the network would see no neighbours."""
    for sentence in suspicions(frames.train):
        warnings.warn(f"training data: {sentence}", stacklevel=3)
    bond, cutoff = shortest_bonds(frames.train), config.model.cutoff
    if config.model.start is None and config.model.start_host is None and cutoff < 1.2 * bond:
        raise ValueError(
            f"model.cutoff is {cutoff:g} A, but atoms are {bond:.2f} A from their nearest ones; some A more, often 4 to 6, are "
            "needed (is it in nm?)"
        )


def check_labels(frames: Frames, config: TrainingConfig) -> None:
    """Raise a ValueError if no training frame has a label that has a weight."""
    for name in optional_labels(config.loss):
        if not any(name in labels(frame) for frame in frames.train):
            raise ValueError(f"loss.{name} is {getattr(config.loss, name)}; only 0 is accepted without this label")


def build_model(config: TrainingConfig, frames: Sequence[ase.Atoms]) -> PolarMPModel:
    """The untrained model, or the one to continue from."""
    settings = config.model
    if settings.start is not None:
        model = load_model(settings.start)
        _check_same_network(config, model)
        if settings.density_limit is not None and isinstance(model.network, PolarMPNet):
            model.network.limit_densities(settings.density_limit)
        asked = {int(z) for f in frames for z in f.numbers} | set(settings.species or ())
        model.check_species(torch.tensor(sorted(asked)))
        freeze(model, settings)
        model.training_data = settings.description or model.training_data
        model.licence = settings.licence or model.licence
        return model.to(DTYPES[config.precision])
    present = {int(z) for frame in frames for z in frame.numbers}
    species = tuple(sorted(present | set(settings.species or ())))
    torch.manual_seed(config.seed)
    network: torch.nn.Module
    if settings.has_host:
        network = hosted_network(config, frames, species)
    else:
        network = PolarMPNet(
            NetworkConfig(
                species=species,
                energy_shift=single_atoms(frames),
                energy_scale=force_scale(frames),
                average_neighbors=average_neighbors(frames, settings.cutoff),
                **settings.network(),
            )
        )
    model = PolarMPModel(
        network.to(DTYPES[config.precision]),
        sigma=settings.sigma,
        accuracy=settings.accuracy,
        k_max=settings.k_max,
        charge_projection=settings.charge_projection,
        training_data=settings.description,
        licence=settings.licence,
    )
    fit_single_atoms(model, frames)
    freeze(model, settings)
    return model


def _check_same_network(config: TrainingConfig, model: PolarMPModel) -> None:
    """Raise a ValueError where an entry of the configuration asks for another model than that of model.start."""
    settings, defaults = config.model, ModelConfig()
    present = {name: getattr(model, name) for name in ("sigma", "accuracy", "k_max", "charge_projection")}
    if (network := getattr(model.network, "config", None)) is not None:
        present |= {name: getattr(network, name, None) for name in (*settings.network(), "host")}
        if isinstance(model.network, PolarMPNet):
            del present["density_limit"]  # has no weights: a trained network can get one
    for name, of_model in present.items():
        if (value := getattr(settings, name)) not in (getattr(defaults, name), of_model):
            raise ValueError(
                f"model.{name} is {value!r}, but the model of model.start {settings.start!r} has {of_model!r}; leave the entry "
                "out to train that model on, or leave model.start out for a new network"
            )


def training_range(structures: Sequence[Structure], model: PolarMPModel) -> TrainingRange:
    """The range that the training structures span; pairs are those within the model's cutoff.

    Structures with a weight below 1 are left out, unless all have one: they show a model what is uphill, not where it may go.
    """
    total = TrainingRange()
    for structure in [s for s in structures if s.weight >= 1] or structures:
        total = total.extended(structure.covered_range(model.cutoff, model.network.config.energy_shift))
    return total


def _read(paths: Sequence[str], keys: Mapping[str, str], elements: set[str] | None = None) -> list[ase.Atoms]:
    return [frame for path in paths for frame in read_frames(path, elements, keys)]


def _count(name: str, setting: float, available: int, left: int) -> int:
    """Number of held-out frames: the setting itself, or this fraction of all frames."""
    count = setting if isinstance(setting, int) else math.ceil(setting * available)
    if not 0 <= count < left:
        raise ValueError(f"{name} is {setting}; fewer than the {left} frames left of {available} are accepted")
    return count
