"""The description of a model in its file: everything except the weights, read without torch."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from openmm_polarmp.models import file
from openmm_polarmp.models.kinds import KINDS, NetworkConfiguration
from openmm_polarmp.models.rung import Rung
from openmm_polarmp.models.training_range import TrainingRange

UNITS = {"energy": "eV", "length": "A", "charge": "e"}


def medium_eps_inf(metadata: dict[str, Any]) -> float:
    """High-frequency dielectric constant of the medium that a model describes; 1 for molecules and clusters.

    From the metadata's ``eps_inf``, or from the loss of the training.
    """
    loss = metadata.get("training", {}).get("loss", {})
    return float(metadata.get("eps_inf", loss.get("eps_inf", 1.0)))


@dataclass(frozen=True)
class ModelDescription:
    """The configuration of a model file.

    Attributes
    ----------
    config : NetworkConfiguration
        Configuration of the network: a `NetworkConfig`, or that of another kind in `openmm_polarmp.models.kinds`.
    sigma : float
        Width of the pair kernel, A.
    accuracy : float
        Relative force accuracy of the electrostatics that the model was trained with.
    k_max : float or None
        Hard limit of the reciprocal sum, 1/A.
    charge_projection : bool
        Whether charges are shifted to the total charge.
    training_data, licence : str
        Origin of the data and licence of the weights.
    training_range : TrainingRange
        The range of the training data.
    metadata : dict
        Other information, as plain JSON values.
    """

    config: NetworkConfiguration
    sigma: float
    accuracy: float
    k_max: float | None
    charge_projection: bool
    training_data: str = ""
    licence: str = ""
    training_range: TrainingRange = field(default_factory=TrainingRange)
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, contents: file.ModelFile) -> ModelDescription:
        """Read a file's configuration; raises a ModelFileError if it does not describe a model of a known kind."""
        settings, source = contents.configuration, contents.source
        kind = KINDS.get(str(settings.get("architecture")))
        if kind is None:
            raise file.ModelFileError(
                f"{source}: architecture is {settings.get('architecture')!r}; {' or '.join(map(repr, KINDS))} is accepted"
            )
        if settings.get("units") != UNITS:
            raise file.ModelFileError(f"{source}: units is {settings.get('units')}; {UNITS} is accepted")
        try:
            return cls(
                kind.read(settings["network"]),
                **settings["electrostatics"],
                training_data=settings["training_data"],
                licence=settings["licence"],
                training_range=TrainingRange.from_dict(settings["training_range"]),
                metadata=settings["metadata"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise file.ModelFileError(f"{source}: the configuration does not describe a model: {error}") from error

    @classmethod
    def find(cls, path_or_name: str | os.PathLike[str]) -> ModelDescription:
        """Read the description of a model file, or of the shipped model of that name."""
        return cls.of(file.load(path_or_name))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, as a model file holds them."""
        return {
            "architecture": self.config.architecture,
            "network": self.config.to_dict(),
            "electrostatics": {
                "sigma": self.sigma,
                "accuracy": self.accuracy,
                "k_max": self.k_max,
                "charge_projection": self.charge_projection,
            },
            "units": UNITS,
            "training_data": self.training_data,
            "licence": self.licence,
            "training_range": self.training_range.to_dict(),
            "metadata": self.metadata,
        }

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that the network knows."""
        return self.config.species

    @property
    def rung(self) -> Rung:
        """What the network predicts."""
        return Rung.parse(self.config.rung)

    @property
    def has_electrostatics(self) -> bool:
        """False for rung ``sr``: nothing is charged."""
        return self.rung.charges
