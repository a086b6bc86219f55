"""What a training run is told: a YAML file, or the same as dataclasses."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openmm_polarmp.models import TENSOR_PRODUCTS

Weight = float | dict[int, float]
"""A number, or epochs and the values there, linear in between: ``{0: 0.1, 50: 1.0}``."""


@dataclass(frozen=True)
class DataConfig:
    """Which frames are learned, watched and tested.

    Attributes
    ----------
    train : list of str
        Files: extended XYZ, ASE databases, HDF5.
    validation, test : int, float, str or list
        A number or a share of the training files' frames, or files of their own. Validation chooses the best epoch;
        the test frames are looked at once, after the end.
    split : str
        ``random`` by the seed, or ``ordered``: the last frames are the test, those before them the validation, as is
        honest for frames of one trajectory.
    """

    train: list[str]
    validation: int | float | str | list[str] = 0.1
    test: int | float | str | list[str] = 0
    split: str = "random"

    def __post_init__(self) -> None:
        _choose("data.split", self.split, ("random", "ordered"))


@dataclass(frozen=True)
class ModelConfig:
    """The network and its electrostatics; everything that `NetworkConfig` and `PolarMPModel` have besides the data.

    Attributes
    ----------
    start : str, optional
        A model file to continue from (fine-tuning): network and electrostatics are that model's.
    species : list of int, optional
        Atomic numbers, if the model shall know more than the training data has.
    """

    rung: str = "qu+ka"
    cutoff: float = 4.5
    layers: int = 2
    l_max: int = 2
    l_message: int = 1
    channels: int = 32
    message_channels: int = 16
    n_radial: int = 8
    hidden: int = 64
    correlation: int = 3
    polarizability: str = "scalar"
    zbl: bool = False
    total_charge_input: bool = False
    multiplicity_input: bool = False
    sigma: float = 1.0
    accuracy: float = 1e-3
    k_max: float | None = None
    charge_projection: bool = True
    start: str | None = None
    species: list[int] | None = None
    description: str = ""
    licence: str = ""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the squared errors, each a number or a schedule over epochs.

    Attributes
    ----------
    energy, forces, stress : float or dict
        Of (dE)^2 / N in eV^2, of the mean square of a force component in (eV/A)^2, and of (dstress V)^2 / N in eV^2: with
        equal weights all are errors per degree of freedom.
    dipole, born_charges : float or dict
        Of (dD)^2 in (e A)^2 of clusters and of the mean square of a component in e^2. In a box, where an atom's Born charge
        takes a backward pass, one atom is drawn at random for each step.
    disturbed : float or dict
        Of log(1 + hole/eV): each step a violently disturbed copy of a frame must lie above it, far below the truth. Keeps a
        minimizer from falling into a hole far from all data.
    eps_inf : float
        Optical dielectric constant that the dipoles and Born charges contain.
    """

    energy: Weight = 1.0
    forces: Weight = 1.0
    stress: Weight = 0.0
    dipole: Weight = 0.0
    born_charges: Weight = 0.0
    disturbed: Weight = 0.0
    eps_inf: float = 1.0


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam with a cosine schedule and a running mean of the weights.

    Attributes
    ----------
    batch_size : int
        Structures in a step, over all processes.
    learning_rate : float
        Its largest value; it rises over ``warmup`` steps and falls to ``final_rate`` times it.
    clip : float
        Largest norm of the gradient.
    ema : float
        Memory of the running mean of the weights, which is what is validated and saved.
    hold_charges : int
        Steps for which charges are held at guesses from the electronegativities (see `first_charges`); 0 to let them go from
        the start. Nothing is held when a run begins with a trained model.
    patience : int, optional
        Stop after so many epochs without a better validation.
    """

    epochs: int = 100
    batch_size: int = 1
    learning_rate: float = 4e-3
    final_rate: float = 0.005
    warmup: int = 50
    weight_decay: float = 0.0
    clip: float = 10.0
    ema: float = 0.995
    hold_charges: int = 200
    patience: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"optimizer.{name}: expected a positive number, got {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"optimizer.ema: expected a number from 0 to below 1, got {self.ema}")


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
    checkpoint_minutes : float
        How often the state is written besides after each epoch.
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

    def __post_init__(self) -> None:
        _choose("precision", self.precision, ("single", "double"))
        _choose("tensor_products", self.tensor_products, TENSOR_PRODUCTS)

    @classmethod
    def read(cls, path: str | Path, **changes: Any) -> TrainingConfig:
        """Read a YAML file; its relative paths are relative to the file. ``changes`` replace top entries."""
        path = Path(path)
        values = {**read_yaml(path), **changes}
        return cls.from_dict(values, path.parent)

    @classmethod
    def from_dict(cls, values: dict[str, Any], folder: str | Path = ".") -> TrainingConfig:
        """Make the configuration of plain values; an unknown entry or a wrong type is an error."""
        config = build(cls, values)
        paths = {name: _resolved(getattr(config.data, name), Path(folder)) for name in ("train", "validation", "test")}
        model = config.model
        if model.start is not None:
            shipped = not Path(model.start).suffix
            model = dataclasses.replace(model, start=model.start if shipped else str(Path(folder) / model.start))
        data = dataclasses.replace(config.data, **paths)
        return dataclasses.replace(config, data=data, model=model, output=str(Path(folder) / config.output))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds."""
    import yaml

    if not path.is_file():
        raise FileNotFoundError(f"configuration {str(path)!r} does not exist")
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"configuration {str(path)!r} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"configuration {str(path)!r}: expected entries 'name: value', got {type(values).__name__}")
    return values


def build(kind: type, values: Any, where: str = "") -> Any:
    """A dataclass of a mapping, each entry checked against its annotation."""
    name = where or "configuration"
    if not isinstance(values, dict):
        raise ValueError(f"{name}: expected entries 'name: value', got {values!r}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - set(fields), key=str):
        raise ValueError(f"{name}: unknown entries {', '.join(map(str, unknown))}; known are {', '.join(fields)}")
    hints = typing.get_type_hints(kind)
    missing = [
        f.name
        for f in fields.values()
        if f.name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ValueError(f"{name}: {', '.join(missing)} is missing")
    prefix = f"{where}." if where else ""
    return kind(**{key: _convert(hints[key], value, prefix + key) for key, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else build(hint, value, where)
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in kinds:
        origin = typing.get_origin(kind)
        if origin is list and isinstance(value, list | tuple):
            return [_convert(typing.get_args(kind)[0], item, where) for item in value]
        if origin is list and isinstance(value, str) and kinds == (kind,):
            return [value]
        if origin is dict and isinstance(value, dict):
            key, item = typing.get_args(kind)
            return {key(k): _convert(item, v, where) for k, v in value.items()}
        if origin is None and isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
            return value
        if kind is float and not isinstance(value, bool) and _number(value):
            return float(value)  # YAML reads 1e-3 as text
    names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise ValueError(f"{where}: expected {names}, got {value!r}")


def _number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _resolved(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return [str(folder / value)]
    return [str(folder / item) for item in value] if isinstance(value, list) else value


def _choose(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
