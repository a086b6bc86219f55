"""Allegro as a host: its strictly local features, summed to atoms."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from openmm_polarmp.hosts.features import multiplicities, split_irreps
from openmm_polarmp.hosts.nequip import GraphHost
from openmm_polarmp.hosts.protocol import HostResult

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from allegro.model.allegro_models import FullAllegroModel
    from allegro.nn import Allegro_Module
    from e3nn import o3
    from nequip.data import AtomicDataDict


NAMES = (
    "irreps_edge_sh",
    "tensor_track_allowed_irreps",
    "num_bessels",
    "polynomial_cutoff_p",
    "scalar_embed_mlp_hidden_layers_depth",
    "scalar_embed_mlp_hidden_layers_width",
    "num_layers",
    "num_scalar_features",
    "num_tensor_features",
    "allegro_mlp_hidden_layers_depth",
    "allegro_mlp_hidden_layers_width",
    "readout_mlp_hidden_layers_depth",
    "readout_mlp_hidden_layers_width",
    "avg_num_neighbors",
    "per_type_energy_scales",
    "per_type_energy_shifts",
)
"""The entries of a configuration besides species and cutoff."""


@dataclass(frozen=True)
class Settings:
    """The settings of a new Allegro network.

    Attributes
    ----------
    channels, tensor_channels : int
        Scalars and tensors on each pair.
    l_max : int
        Highest degree of tensors and harmonics: 0, 1 for dipoles, 2 for quadrupoles and tensor polarizabilities.
    layers : int
        Number of tensor products.
    parity : bool
        Whether there are also tensors whose parity is not (-1)^l.
    mlp_depth, mlp_width : int
        Hidden layers of the networks of scalars.
    num_bessels, polynomial_cutoff_p : int
        Radial functions, and the power of their cutoff.
    """

    channels: int = 32
    tensor_channels: int = 16
    l_max: int = 2
    layers: int = 2
    parity: bool = False
    mlp_depth: int = 1
    mlp_width: int = 64
    num_bessels: int = 8
    polynomial_cutoff_p: int = 6

    def __post_init__(self) -> None:
        positive = ("channels", "tensor_channels", "layers", "mlp_width", "num_bessels", "polynomial_cutoff_p")
        for name, low in {**dict.fromkeys(positive, 1), "l_max": 0, "mlp_depth": 0}.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; integers from {low} are accepted")

    def configuration(
        self, species: Sequence[int], cutoff: float, average_neighbors: float, energy_scale: float, degree: int
    ) -> dict[str, Any]:
        """The configuration of the network; parameters as in `openmm_polarmp.hosts.mace.Settings.configuration`."""
        degrees = range(self.l_max + 1)
        natural = "+".join(f"1x{l}{'eo'[l % 2]}" for l in degrees)
        return {
            "species": [int(z) for z in species],
            "cutoff": float(cutoff),
            "irreps_edge_sh": natural,
            "tensor_track_allowed_irreps": "+".join(f"1x{l}e+1x{l}o" for l in degrees) if self.parity else natural,
            "num_bessels": self.num_bessels,
            "polynomial_cutoff_p": self.polynomial_cutoff_p,
            "scalar_embed_mlp_hidden_layers_depth": self.mlp_depth,
            "scalar_embed_mlp_hidden_layers_width": self.mlp_width,
            "num_layers": self.layers,
            "num_scalar_features": self.channels,
            "num_tensor_features": self.tensor_channels,
            "allegro_mlp_hidden_layers_depth": self.mlp_depth,
            "allegro_mlp_hidden_layers_width": self.mlp_width,
            "readout_mlp_hidden_layers_depth": 1,
            "readout_mlp_hidden_layers_width": self.channels,
            "avg_num_neighbors": float(average_neighbors),
            "per_type_energy_scales": float(energy_scale),
            "per_type_energy_shifts": 0.0,
        }


class Adapter(GraphHost):
    """An Allegro network.

    The scalars of an atom are the sums of those of its pairs, over all layers. Its vectors and tensors are those of its
    environment in the last tensor product: sums of the pairs' harmonics, with weights that follow from the scalars of the
    layers before.

    Parameters
    ----------
    configuration : dict
        ``species``, ``cutoff`` and the arguments of allegro's ``FullAllegroModel`` as plain values, and those of its radial
        functions.
    """

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._irreps = o3.Irreps(
            [(configuration["num_tensor_features"], ir) for _, ir in o3.Irreps(configuration["irreps_edge_sh"])]
        )
        n_scalars = configuration["num_scalar_features"] * (configuration["num_layers"] + 1)
        counts = multiplicities(self._irreps)
        super().__init__(
            configuration,
            _build,
            NAMES,
            receptive_field=configuration["cutoff"],
            multiplicities=(n_scalars + counts[0], *counts[1:]),
        )
        self._scale = 1 / math.sqrt(configuration["avg_num_neighbors"])

    def forward(self, vectors: torch.Tensor, edge_index: torch.Tensor, kind: torch.Tensor) -> HostResult:
        """See `Host.forward`."""
        collected: list[torch.Tensor] = []

        def collect(module: torch.nn.Module, data: dict[str, torch.Tensor]) -> None:
            if isinstance(module, Allegro_Module):
                collected.extend((data[AtomicDataDict.EDGE_FEATURES_KEY], data[AtomicDataDict.NODE_FEATURES_KEY]))

        energies = self.run(vectors, edge_index, kind, collect)
        of_pairs, environment = collected
        scalars = of_pairs.new_zeros(kind.shape[0], of_pairs.shape[1]).index_add(0, edge_index[1], of_pairs)
        degrees = split_channels(environment, self._irreps)
        degrees[0] = torch.cat([self._scale * scalars[None], degrees[0]], 2)
        return HostResult(energies, degrees)


def split_channels(features: torch.Tensor, irreps: Any) -> list[torch.Tensor]:
    """As `split_irreps`, from Allegro's layout: for each channel the components of all degrees."""
    count = irreps[0].mul
    by_component = features.unflatten(1, (count, -1)).transpose(1, 2)
    ordered = [block.transpose(1, 2).flatten(1) for block in by_component.split([ir.dim for _, ir in irreps], dim=1)]
    return split_irreps(torch.cat(ordered, 1), irreps)


def _build(num_bessels: int, polynomial_cutoff_p: int, **values: Any) -> Any:
    radial = {
        "_target_": "allegro.nn.TwoBodyBesselScalarEmbed",
        "num_bessels": num_bessels,
        "polynomial_cutoff_p": polynomial_cutoff_p,
    }
    return FullAllegroModel.__wrapped__(radial_chemical_embed=radial, **values)
