"""Configuration of a training run: a YAML file, or the same as dataclasses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openmm_polarmp._ranges import (
    ATOMIC_NUMBER,
    BELOW_ONE,
    FRACTION,
    NOT_NEGATIVE,
    OPTICAL_CONSTANT,
    POSITIVE,
    TOLERANCE,
    check_ranges,
)
from openmm_polarmp.models import TENSOR_PRODUCTS, NetworkSettings
from openmm_polarmp.training.data.keys import check_keys
from openmm_polarmp.training.plain_values import build, read_yaml

Weight = float | dict[int, float]
"""A number, or a schedule of epochs and the values there, linear in between: ``{0: 0.1, 50: 1.0}``."""

PARTS = ("energy", "forces", "stress", "dipole", "born_charges", "molecule_charges", "disturbed")
"""The parts of the loss."""
OWN_SETTINGS = (
    "layers",
    "l_max",
    "l_message",
    "message_channels",
    "correlation",
    "density_limit",
    "zbl",
    "total_charge_input",
    "multiplicity_input",
)
"""Settings of `PolarMPNet` that mean nothing to a host."""


@dataclass(frozen=True)
class DataConfig:
    """The frames for training, validation and test.

    Attributes
    ----------
    train : list of str
        Files: extended XYZ, ASE databases, HDF5.
    validation, test : int, float, str or list
        A number or a fraction of the training files' frames, or other files. The validation error chooses the best epoch;
        the test frames are evaluated once, after training.
    split : str
        ``random`` (from the seed), or ``ordered``: the last frames are the test set, those before them the validation
        set, which keeps correlated frames of one trajectory apart.
    split_seed : int, optional
        Seed of the random split; by default that of the run. Runs with several seeds share one split by it.
    keys : dict of str
        Names in the files of labels that have another one here: ``{energy: REF_energy, total_charge: charge}``.
    """

    train: list[str]
    validation: int | float | str | list[str] = 0.1
    test: int | float | str | list[str] = 0
    split: str = "random"
    split_seed: int | None = None
    keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_keys(self.keys)
        _check_choice("split", self.split, ("random", "ordered"))
        check_ranges(self, split_seed=NOT_NEGATIVE)
        for name in ("validation", "test"):
            if isinstance(getattr(self, name), int | float):
                check_ranges(self, **{name: NOT_NEGATIVE})
        if not self.train:
            raise ValueError("train is empty; the name of at least one file is accepted")


@dataclass(frozen=True)
class ModelConfig(NetworkSettings):
    """The settings of the network, as in `NetworkSettings`, and of the electrostatics.

    Attributes
    ----------
    sigma : float
        Width of the pair kernel, A.
    accuracy : float
        Relative force accuracy of the electrostatics.
    k_max : float, optional
        Hard limit of the reciprocal sum, 1/A; by default the sum is converged.
    charge_projection : bool
        Shift the charges of each structure to its total charge.
    start : str, optional
        A model file or the name of a shipped model to continue from (fine-tuning): network and electrostatics are that
        model's, but for a ``density_limit`` that is given here. The labels may be of another level of theory: the energies
        of single atoms are then fitted anew.
    species : list of int, optional
        Atomic numbers that the model shall know in addition to those of the training data.
    description, licence : str
        Origin of the data and licence of the weights, for the model file; by default those of ``start``.
    host : str, optional
        A short-range network of someone else in place of `PolarMPNet`, by its name in `openmm_polarmp.hosts.HOSTS`. Of the
        network's settings it takes the cutoff; its others are ``host_settings``. Rung, charges, polarizability, channels,
        hidden and n_radial are then those of the heads.
    host_settings : dict
        Settings of a new host, see the ``Settings`` of its module.
    start_host : str, optional
        A model file with a host, for example from ``polarmp import-mace``: its host is taken, its heads are not.
    host_training : str
        ``all``: host and heads are trained; ``frozen``: the heads only; ``slow``: the host with ``host_rate`` times the
        learning rate.
    host_rate : float
        See ``host_training``.
    """

    sigma: float = 1.0
    accuracy: float = 1e-3
    k_max: float | None = None
    charge_projection: bool = True
    start: str | None = None
    species: list[int] | None = None
    description: str = ""
    licence: str = ""
    host: str | None = None
    host_settings: dict[str, Any] = field(default_factory=dict)
    start_host: str | None = None
    host_training: str = "all"
    host_rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_choice("host_training", self.host_training, ("all", "frozen", "slow"))
        check_ranges(
            self,
            cutoff=POSITIVE,
            sigma=POSITIVE,
            accuracy=TOLERANCE,
            k_max=POSITIVE,
            species=ATOMIC_NUMBER,
            host_rate=POSITIVE,
        )
        if self.start is not None and self.host_settings:
            raise ValueError("start and host_settings are given; with start the host is that of the model")
        if self.start_host is not None and (self.start is not None or self.host_settings):
            raise ValueError("start_host is given; start and host_settings are not accepted with it")
        if self.host_settings and self.host is None:
            raise ValueError("host_settings is given; it needs a host")
        if self.host_training == "frozen" and self.start is None and self.start_host is None:
            raise ValueError("host_training is 'frozen'; it needs a trained host: start_host or start")
        if self.has_host:
            defaults = NetworkSettings()
            own = [name for name in OWN_SETTINGS if getattr(self, name) != getattr(defaults, name)]
            if own:
                raise ValueError(f"{', '.join(own)} are settings of PolarMPNet; those of a host are in host_settings")

    @property
    def has_host(self) -> bool:
        """Whether the network is a host with heads, as far as the configuration alone tells."""
        return self.host is not None or self.start_host is not None

    def network(self) -> dict[str, Any]:
        """The settings of the network alone."""
        return {setting.name: getattr(self, setting.name) for setting in dataclasses.fields(NetworkSettings)}


@dataclass(frozen=True)
class LossConfig:
    """Weights of the squared errors, each a number or a schedule over epochs.

    Attributes
    ----------
    energy, forces, stress : float or dict
        Weights of (dE)^2 / N in eV^2, of the mean square of a force component in (eV/A)^2, and of (dstress V)^2 / N in eV^2:
        with equal weights all are errors per degree of freedom.
    dipole, born_charges : float or dict
        Weights of (dD)^2 in (e A)^2 of clusters, and of the mean square of a component of a Born charge in e^2. In a box,
        where each atom's Born charge takes a backward pass, one atom is drawn at random for each step.
    molecule_charges : float or dict
        Weight of the mean square error of the molecules' charges in e^2, before the total charge is imposed. A network that has
        learned them leaves little to shift: neutral molecules stay neutral beside ions, however far.
    disturbed : float or dict
        Weight of log(1 + depth/eV): in each step a copy of every frame with large random displacements is evaluated, and
        ``depth`` is how far its energy lies below a loose lower bound. Keeps an energy minimizer from falling into a
        minimum that the model has far from all data.
    linear_from : float, optional
        The error s in eV/A from which a frame counts by its error and no longer by its square: 2 s (sqrt(L + s^2) - s) takes the
        place of the sum L of all parts but ``disturbed``. Frames far off, such as crowded molecules with forces of many eV/A, do
        not rule the steps then. Validation losses are squares all the same.
    eps_inf : float
        Optical dielectric constant of the medium, which scales predicted dipoles and Born charges by its square root.
    """

    energy: Weight = 1.0
    forces: Weight = 1.0
    stress: Weight = 0.0
    dipole: Weight = 0.0
    born_charges: Weight = 0.0
    molecule_charges: Weight = 0.0
    disturbed: Weight = 0.0
    linear_from: float | None = None
    eps_inf: float = 1.0

    def __post_init__(self) -> None:
        check_ranges(self, linear_from=POSITIVE, eps_inf=OPTICAL_CONSTANT, **dict.fromkeys(PARTS, NOT_NEGATIVE))
        for name in PARTS:
            if (schedule := getattr(self, name)) == {} or (isinstance(schedule, dict) and min(schedule) < 0):
                raise ValueError(f"{name} is {schedule}; epochs from 0 on with the weights there are accepted")


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam or Muon with a cosine schedule and a running mean of the weights.

    Attributes
    ----------
    method : str
        'adam', or 'muon': orthogonal steps for the matrices of the network, Adam for its other weights. It learns more from
        each step, which pays where there are many data for the time at hand.
    batch_size : int
        Number of structures in a step, over all processes.
    learning_rate : float
        Largest learning rate: it is reached after ``warmup`` steps and falls to ``final_rate`` times this value.
    matrix_rate : float
        With 'muon' the largest learning rate of matrices, the size of a step's singular values, without a unit; scheduled
        as the other.
    clip : float
        Largest norm of the gradient.
    ema : float
        Decay of the exponential moving average of the weights, which is validated and saved.
    hold_charges : int
        Number of steps in which the charges are fixed at guesses from the electronegativities (see `initial_charges`) and
        the heads of pairs are not trained. 0: all are trained from the start, as they always are when a run begins with a
        trained model.
    patience : int, optional
        Stop after this number of epochs without a better validation error.
    """

    method: str = "adam"
    epochs: int = 100
    batch_size: int = 1
    learning_rate: float = 4e-3
    matrix_rate: float = 0.01
    final_rate: float = 0.005
    warmup: int = 50
    weight_decay: float = 0.0
    clip: float = 10.0
    ema: float = 0.995
    hold_charges: int = 200
    patience: int | None = None

    def __post_init__(self) -> None:
        _check_choice("method", self.method, ("adam", "muon"))
        positive = ("epochs", "batch_size", "learning_rate", "matrix_rate", "clip", "patience")
        not_negative = ("warmup", "weight_decay", "hold_charges")
        check_ranges(self, **dict.fromkeys(positive, POSITIVE), **dict.fromkeys(not_negative, NOT_NEGATIVE))
        check_ranges(self, final_rate=FRACTION, ema=BELOW_ONE)


@dataclass(frozen=True)
class LadderConfig:
    """What `polarmp ladder` trains; `polarmp train` does not read it.

    Attributes
    ----------
    rungs : list of str, optional
        The rungs, in this order; by default those of local charges, from none to all moments and responses.
    seeds : int
        Number of trainings of each rung: with the configuration's seed and those that follow it.
    """

    rungs: list[str] | None = None
    seeds: int = 1

    def __post_init__(self) -> None:
        check_ranges(self, seeds=POSITIVE)


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Attributes
    ----------
    output : str
        Folder for the model, its checkpoint, log and report.
    precision : str
        ``single`` or ``double``.
    device : str
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1``.
    tensor_products : str
        ``dense``, or ``cuequivariance`` (if it is installed; for GPUs).
    seed : int
        Determines the initial weights, the split of the frames and their order.
    checkpoint_minutes : float
        Time between checkpoints within an epoch, minutes; one is also written after each epoch.
    """

    data: DataConfig
    output: str
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    precision: str = "single"
    device: str = "auto"
    tensor_products: str = "dense"
    seed: int = 1
    checkpoint_minutes: float = 5.0
    ladder: LadderConfig = field(default_factory=LadderConfig)

    def __post_init__(self) -> None:
        _check_choice("precision", self.precision, ("single", "double"))
        _check_choice("tensor_products", self.tensor_products, TENSOR_PRODUCTS)
        check_ranges(self, seed=NOT_NEGATIVE, checkpoint_minutes=NOT_NEGATIVE)

    @classmethod
    def read(cls, path: str | Path, **changes: Any) -> TrainingConfig:
        """Read a YAML file, whose paths are relative to it; ``changes`` replace top-level entries."""
        path = Path(path)
        values = {**read_yaml(path), **changes}
        return cls.from_dict(values, path.parent)

    @classmethod
    def from_dict(cls, values: dict[str, Any], folder: str | Path = ".") -> TrainingConfig:
        """Build the configuration from plain values; an unknown entry or a wrong type is an error."""
        config = build(cls, values)
        paths = {
            name: _resolve_paths(getattr(config.data, name), Path(folder)) for name in ("train", "validation", "test")
        }
        model = config.model
        for name in ("start", "start_host"):
            start = getattr(model, name)
            if start is not None and Path(start).suffix:  # a shipped model has none
                model = dataclasses.replace(model, **{name: str(Path(folder) / start)})
        data = dataclasses.replace(config.data, **paths)
        return dataclasses.replace(config, data=data, model=model, output=str(Path(folder) / config.output))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)


def _resolve_paths(value: Any, folder: Path) -> Any:
    """A path or a list of paths below the folder; a number is left as it is."""
    if isinstance(value, str):
        return [str(folder / value)]
    return [str(folder / item) for item in value] if isinstance(value, list) else value


def _check_choice(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise ValueError(f"{name} is {value!r}; {' and '.join(map(repr, accepted))} are accepted")
