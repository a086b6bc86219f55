"""From a configuration to the structures and the untrained model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np
import torch

from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet, TrainingRange, load_model
from openmm_polarmp.training.config import DataConfig, TrainingConfig
from openmm_polarmp.training.data import fit_reference_energies, labels, read_frames
from openmm_polarmp.training.data.structure import Structure
from openmm_polarmp.training.loss import needs

DTYPES = {"single": torch.float32, "double": torch.float64}
NETWORK_ENTRIES = (
    "rung",
    "cutoff",
    "layers",
    "l_max",
    "l_message",
    "channels",
    "message_channels",
    "n_radial",
    "hidden",
    "correlation",
    "polarizability",
    "zbl",
    "total_charge_input",
    "multiplicity_input",
)


@dataclass
class Frames:
    """What is learned, what chooses the best epoch, and what is looked at once at the end."""

    train: list[ase.Atoms]
    validation: list[ase.Atoms]
    test: list[ase.Atoms]

    def everything(self) -> list[ase.Atoms]:
        """All of them."""
        return [*self.train, *self.validation, *self.test]

    def fingerprint(self) -> str:
        """Changes with any position or label."""
        digest = hashlib.sha256()
        for frames in (self.train, self.validation, self.test):
            digest.update(str(len(frames)).encode())
            for frame in frames:
                digest.update(frame.numbers.tobytes() + frame.positions.tobytes())
                for name, value in sorted(labels(frame).items()):
                    digest.update(name.encode() + value.tobytes())
        return digest.hexdigest()


def load_frames(config: DataConfig, seed: int) -> Frames:
    """Read the files and divide the frames."""
    frames = _read(config.train)
    elements = {symbol for frame in frames for symbol in frame.symbols}
    held: dict[str, list[ase.Atoms]] = {}
    order = np.arange(len(frames))
    if config.split == "random":
        order = np.random.default_rng(seed).permutation(len(frames))
    for name in ("test", "validation"):  # from the end: the training frames come first
        given = getattr(config, name)
        if isinstance(given, list):
            held[name] = _read(given, elements)
            continue
        count = _count(f"data.{name}", given, len(frames), len(order))
        held[name] = [frames[i] for i in order[len(order) - count :]]
        order = order[: len(order) - count]
    return Frames([frames[i] for i in order], held["validation"], held["test"])


def structures(frames: Sequence[ase.Atoms], cutoff: float, precision: str) -> list[Structure]:
    """Tensors of all frames."""
    return [Structure.of(frame, cutoff, DTYPES[precision], number) for number, frame in enumerate(frames)]


def check_labels(frames: Frames, config: TrainingConfig) -> None:
    """Whether the labels that have a weight are there at all."""
    for name in needs(config.loss):
        if not any(name in labels(frame) for frame in frames.train):
            raise ValueError(f"loss.{name}: has a weight, but no training frame has this label")


def build_model(config: TrainingConfig, frames: Sequence[ase.Atoms]) -> PolarMPModel:
    """The untrained model, or the one to continue from."""
    given = config.model
    if given.start is not None:
        model = load_model(given.start)
        model.check_species(torch.tensor(sorted({int(z) for f in frames for z in f.numbers})))
        return model.to(DTYPES[config.precision])
    references = fit_reference_energies(frames)
    present = sorted({int(z) for frame in frames for z in frame.numbers})
    species = tuple(sorted(set(present) | set(given.species or ())))
    shift = {ase.data.atomic_numbers[symbol]: energy for symbol, energy in references.items()}
    network = NetworkConfig(
        species=species,
        energy_shift=shift,
        energy_scale=_force_scale(frames),
        average_neighbors=_average_neighbors(frames, given.cutoff),
        **{name: getattr(given, name) for name in NETWORK_ENTRIES},
    )
    torch.manual_seed(config.seed)
    return PolarMPModel(
        PolarMPNet(network).to(DTYPES[config.precision]),
        sigma=given.sigma,
        accuracy=given.accuracy,
        k_max=given.k_max,
        charge_projection=given.charge_projection,
        training_data=given.description,
        licence=given.licence,
    )


def covered_by(training: Sequence[Structure], model: PolarMPModel) -> TrainingRange:
    """The range that all training structures span."""
    shift = model.network.config.energy_shift
    covered = TrainingRange()
    for structure in training:
        covered = covered.extended(structure.covered(model.cutoff, shift))
    return covered


def _read(paths: Sequence[str], elements: set[str] | None = None) -> list[ase.Atoms]:
    return [frame for path in paths for frame in read_frames(path, elements)]


def _count(name: str, given: float, available: int, left: int) -> int:
    count = given if isinstance(given, int) else math.ceil(given * available)
    if not 0 <= count < left:
        raise ValueError(f"{name}: {given} of {available} frames leaves none to train on")
    return count


def _force_scale(frames: Sequence[ase.Atoms]) -> dict[int, float]:
    """eV, the rms force on each element's atoms times 1 A, but not below a tenth of the overall one."""
    numbers = np.concatenate([frame.numbers for frame in frames])
    squares = np.concatenate([(labels(frame)["forces"] ** 2).mean(1) for frame in frames])
    overall = float(np.sqrt(squares.mean())) or 1.0
    return {int(z): max(float(np.sqrt(squares[numbers == z].mean())), 0.1 * overall) for z in np.unique(numbers)}


def _average_neighbors(frames: Sequence[ase.Atoms], cutoff: float) -> float:
    some = frames[:: max(1, len(frames) // 20)]
    pairs = sum(Structure.of(frame, cutoff).edge_index.shape[1] for frame in some)
    return max(1.0, pairs / sum(len(frame) for frame in some))
