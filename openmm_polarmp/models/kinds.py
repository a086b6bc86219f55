"""The kinds of network that a model file can hold, by the name in its entry ``architecture``.

A kind is a class of configurations, which needs no torch, and a class of networks, which is imported when a network is built.
Both are named here and nowhere else: a file chooses among them, but cannot name code of its own.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


class NetworkConfiguration(Protocol):
    """What a kind's configuration tells, without torch."""

    architecture: ClassVar[str]

    @property
    def species(self) -> tuple[int, ...]:
        """Atomic numbers that the network knows."""

    @property
    def cutoff(self) -> float:
        """Within which the network needs all pairs, A."""

    @property
    def rung(self) -> str:
        """What it predicts, see `openmm_polarmp.models.rung.Rung`."""

    @property
    def has_flows(self) -> bool:
        """Whether neighbours exchange charge."""

    @property
    def mutual(self) -> bool:
        """Whether induced moments feel each other."""

    @property
    def native_obstacles(self) -> tuple[str, ...]:
        """What keeps the plugin's own kernels from evaluating it, as a user reads it; empty if they can."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""

    def rows(self) -> list[tuple[str, str]]:
        """Names and values of what `polarmp info` prints of the network."""


@dataclass(frozen=True)
class NetworkKind:
    """Where the classes of a kind are.

    Attributes
    ----------
    configuration, network : str
        ``module:class``. A configuration has the class method ``from_dict``; a network is built from a configuration and
        holds it as its attribute ``config``.
    """

    configuration: str
    network: str

    def read(self, values: dict[str, Any]) -> NetworkConfiguration:
        """The configuration that these plain values describe."""
        return _attribute(self.configuration).from_dict(values)

    def build(self, configuration: NetworkConfiguration) -> Any:
        """A new network, a torch.nn.Module."""
        return _attribute(self.network)(configuration)


KINDS: dict[str, NetworkKind] = {
    "PolarMPNet": NetworkKind("openmm_polarmp.models.config:NetworkConfig", "openmm_polarmp.models.network:PolarMPNet"),
    "HostedNet": NetworkKind("openmm_polarmp.hosts.config:HostedConfig", "openmm_polarmp.hosts.network:HostedNet"),
    "SO3LR": NetworkKind("openmm_polarmp.hosts.so3lr.config:SO3LRConfig", "openmm_polarmp.hosts.so3lr.network:SO3LR"),
}


def is_storable(network: Any) -> bool:
    """Whether a model file can hold this network; a subclass may compute something else, so that it cannot."""
    cls = type(network)
    return f"{cls.__module__}:{cls.__qualname__}" in {kind.network for kind in KINDS.values()}


def _attribute(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
