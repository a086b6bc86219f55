"""Configuration of a host with multipole heads."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

from openmm_polarmp.models.rung import Rung

SHOWN = (
    "hidden_irreps",
    "feature_irreps_hidden",
    "num_interactions",
    "num_layers",
    "num_scalar_features",
    "num_tensor_features",
    "irreps_edge_sh",
    "max_ell",
    "correlation",
    "cuequivariance",
)
"""Entries of hosts' configurations that `polarmp info` prints."""


def head_degree(rung: str, polarizability: str) -> int:
    """Highest degree of the features that the heads of a rung read: 0 scalars, 1 vectors, 2 tensors."""
    predicted = Rung.parse(rung)
    if predicted.quadrupoles or (predicted.polarizability and polarizability == "tensor"):
        return 2
    return 1 if predicted.dipoles else 0


@dataclass(frozen=True, kw_only=True)
class HostedConfig:
    """Everything that defines a `HostedNet` besides its weights.

    Attributes
    ----------
    host : str
        Name of the host's kind: ``"mace"``.
    host_configuration : dict
        From which the host's adapter builds its network: plain JSON values.
    host_licence, host_origin : str
        Licence and origin of the weights that the host had before the heads were trained; empty for a new network.
    species : tuple of int
        Atomic numbers, in the host's order.
    cutoff, receptive_field : float
        The host's, A.
    rung, response, charges, formal_charges, polarizability, rounds
        As in `NetworkSettings`. The rounds change the moments, not the host's energy.
    channels, hidden : int
        Vectors and tensors that the heads combine, and width of the heads.
    n_radial : int
        Radial functions of the heads of pairs, with flows.
    energy_shift : dict
        Energies of the single atoms, eV by atomic number.
    """

    architecture: ClassVar[str] = "HostedNet"

    host: str
    host_configuration: dict[str, Any]
    species: tuple[int, ...]
    cutoff: float
    receptive_field: float
    host_licence: str = ""
    host_origin: str = ""
    rung: str = "sr"
    response: str = "direct"
    charges: str = "local"
    formal_charges: dict[int, float] = field(default_factory=dict)
    polarizability: str = "scalar"
    rounds: int = 0
    channels: int = 32
    hidden: int = 64
    n_radial: int = 8
    energy_shift: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Rung.parse(self.rung)
        object.__setattr__(self, "species", tuple(int(z) for z in self.species))
        for name in ("formal_charges", "energy_shift"):
            table = {int(z): float(value) for z, value in getattr(self, name).items()}
            object.__setattr__(self, name, table)
            if unknown := sorted(set(table) - set(self.species)):
                raise ValueError(f"{name} has the atomic numbers {unknown}; only those of the host are accepted")
        if self.formal_charges and (missing := sorted(set(self.species) - set(self.formal_charges))):
            raise ValueError(f"formal_charges lacks the atomic numbers {missing}; every species needs one")

    @property
    def mutual(self) -> bool:
        """Whether induced moments feel each other."""
        return self.response == "mutual" or Rung.parse(self.rung).electronegativity

    @property
    def has_flows(self) -> bool:
        """Whether pairs of neighbours exchange charge."""
        return self.charges == "flow" or Rung.parse(self.rung).conductance

    @property
    def native_obstacles(self) -> tuple[str, ...]:
        """What keeps the plugin's own kernels from evaluating it."""
        return (f"the host {self.host!r}",)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> HostedConfig:
        """Read what `to_dict` wrote; an unknown entry is an error."""
        known = [f.name for f in dataclasses.fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(f"network configuration has the unknown entries {unknown}; known are {', '.join(known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self) | {"species": list(self.species)}

    def rows(self) -> list[tuple[str, str]]:
        """Names and values of what `polarmp info` prints of the network."""
        sizes = [f"{name} {self.host_configuration[name]}" for name in SHOWN if name in self.host_configuration]
        return [
            ("network", f"multipole heads on the host {self.host!r}, cutoff {self.cutoff:g} A"),
            ("host", ", ".join(sizes)),
            ("host's licence", self.host_licence or "none: its weights were trained with the heads"),
            ("host's origin", self.host_origin or "a new network"),
            ("range of an atom", f"{self.receptive_field:g} A"),
        ]
