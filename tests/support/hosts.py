"""Small hosts with heads: a toy host that needs no package, and those whose package is installed here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from support.models import stir_pairs

with torch.serialization.safe_globals([slice]):  # e3nn 0.4.4 reads a file of its own
    from e3nn import o3

from openmm_polarmp.hosts import HOSTS, HostedConfig, HostedNet, HostKind
from openmm_polarmp.hosts.features import multiplicities, split_irreps
from openmm_polarmp.hosts.protocol import Host, HostResult
from openmm_polarmp.hosts.registry import host_module
from openmm_polarmp.models import PolarMPModel

HOSTS["toy"] = HostKind("support.hosts", (), "toy", "")


@dataclass(frozen=True)
class Settings:
    """The settings of the toy host."""

    channels: int = 4
    l_max: int = 2

    def configuration(self, species, cutoff, average_neighbors, energy_scale, degree) -> dict[str, Any]:
        return {
            "species": [int(z) for z in species],
            "cutoff": cutoff,
            "channels": self.channels,
            "l_max": self.l_max,
            "energy_scale": energy_scale,
            "average_neighbors": average_neighbors,
        }


class Adapter(Host):
    """Density of the neighbours, with a nonlinear energy."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        c, species = configuration["channels"], configuration["species"]
        self.irreps = o3.Irreps([(c, (l, (-1) ** l)) for l in range(configuration["l_max"] + 1)])
        super().__init__(
            configuration,
            species=species,
            cutoff=configuration["cutoff"],
            receptive_field=configuration["cutoff"],
            multiplicities=multiplicities(self.irreps),
        )
        self.weights = torch.nn.Parameter(torch.randn(len(species), len(self.irreps), c))
        self.readout = torch.nn.Linear(c, 1)
        self.scale = 1 / math.sqrt(configuration["average_neighbors"])

    def forward(self, vectors: torch.Tensor, edge_index: torch.Tensor, kind: torch.Tensor) -> HostResult:
        vectors = vectors.to(self.weights.dtype)
        x = vectors.norm(dim=1) / self.cutoff
        radial = torch.stack([torch.clamp(1 - x, min=0) ** (n + 3) for n in range(self.weights.shape[2])], 1)
        parts = []
        for l in range(len(self.irreps)):
            harmonics = o3.spherical_harmonics(l, vectors, normalize=True, normalization="component")
            weight = self.weights[kind[edge_index[0]], l] * radial
            parts.append((weight[:, :, None] * harmonics[:, None]).flatten(1))
        sums = vectors.new_zeros(kind.shape[0], self.irreps.dim).index_add(0, edge_index[1], torch.cat(parts, 1))
        features = split_irreps(self.scale * sums, self.irreps)
        energies = self.configuration["energy_scale"] * self.readout(torch.tanh(features[0][0]))[:, 0]
        return HostResult(energies.double(), features)


SMALL = {
    "toy": {},
    "mace": {"channels": 6, "l_max": 2, "correlation": 2, "radial_mlp": [8]},
    "nequip": {"channels": 6, "l_max": 2, "layers": 2, "radial_mlp_width": 8},
    "allegro": {"channels": 6, "tensor_channels": 4, "mlp_width": 8},
}
"""Settings of small hosts."""


def require(name: str) -> Any:
    """The module of a host's adapter; skips the test if its package is not installed."""
    if missing := HOSTS[name].missing():
        pytest.skip(f"{' and '.join(missing)} not installed")
    return host_module(name)


def hosted(name: str, rung: str = "quQ+ka", seed: int = 0, settings: dict | None = None, **config) -> HostedNet:
    """An untrained host with heads in float64, whose moments are of order one."""
    module = require(name)
    cutoff, species = config.pop("cutoff", 3.0), config.pop("species", (1, 8))
    torch.manual_seed(seed)
    values = module.Settings(**{**SMALL[name], **(settings or {})})
    configuration = values.configuration(species, cutoff, 8.0, 0.5, 2)
    adapter = module.Adapter(configuration)
    defaults = {"channels": 4, "hidden": 8, "n_radial": 4, "energy_shift": {1: -13.0, 8: -430.0}}
    network = HostedNet(
        HostedConfig(
            host=name,
            host_configuration=configuration,
            species=adapter.species,
            cutoff=adapter.cutoff,
            receptive_field=adapter.receptive_field,
            rung=rung,
            **{**defaults, **config},
        ),
        adapter,
    ).double()
    if network.heads is not None and network.heads.final is not None:
        for parameter in network.heads.final.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        stir_pairs(network.edge_heads)
    return network


def hosted_model(name: str, rung: str = "quQ+ka", **config) -> PolarMPModel:
    """The same as a model."""
    return PolarMPModel(hosted(name, rung, **config), accuracy=1e-6).eval()
