"""NequIP as a host, and what NequIP and Allegro share: a sequence of modules that pass on a dictionary of tensors."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from openmm_polarmp.hosts.building import plain_modules
from openmm_polarmp.hosts.features import joined, multiplicities, split_irreps
from openmm_polarmp.hosts.protocol import Host, HostResult
from openmm_polarmp.models.elements import SYMBOLS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from e3nn import o3
    from nequip.data import AtomicDataDict
    from nequip.model.nequip_models import FullNequIPGNNModel
    from nequip.nn import ConvNetLayer, SequentialGraphNetwork
    from nequip.utils import conditional_torchscript_mode

if TYPE_CHECKING:
    from typing_extensions import Self

NAMES = (
    "irreps_edge_sh",
    "type_embed_num_features",
    "feature_irreps_hidden",
    "radial_mlp_depth",
    "radial_mlp_width",
    "num_bessels",
    "polynomial_cutoff_p",
    "avg_num_neighbors",
    "per_type_energy_scales",
    "per_type_energy_shifts",
)
"""The entries of a configuration besides species and cutoff."""


@dataclass(frozen=True)
class Settings:
    """The settings of a new NequIP network.

    Attributes
    ----------
    channels : int
        Features of each degree.
    l_max : int
        Highest degree of features and harmonics: 0, 1 for dipoles, 2 for quadrupoles and tensor polarizabilities.
    layers : int
        Number of convolutions. The last has scalars only, so that dipoles need at least 2.
    parity : bool
        Whether there are also features whose parity is not (-1)^l.
    radial_mlp_depth, radial_mlp_width : int
        Hidden layers of the functions of the distance.
    num_bessels, polynomial_cutoff_p : int
        Radial functions, and the power of their cutoff.
    """

    channels: int = 32
    l_max: int = 1
    layers: int = 3
    parity: bool = False
    radial_mlp_depth: int = 1
    radial_mlp_width: int = 64
    num_bessels: int = 8
    polynomial_cutoff_p: int = 6

    def __post_init__(self) -> None:
        positive = ("channels", "layers", "radial_mlp_width", "num_bessels", "polynomial_cutoff_p")
        for name, low in {**dict.fromkeys(positive, 1), "l_max": 0, "radial_mlp_depth": 0}.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; integers from {low} are accepted")

    def configuration(
        self, species: Sequence[int], cutoff: float, average_neighbors: float, energy_scale: float, degree: int
    ) -> dict[str, Any]:
        """The configuration of the network; parameters as in `openmm_polarmp.hosts.mace.Settings.configuration`."""
        degrees = range(self.l_max + 1)
        parities = [(l, p) for l in degrees for p in ("eo" if self.parity else "eo"[l % 2])]
        hidden = "+".join(f"{self.channels}x{l}{p}" for l, p in parities)
        return {
            "species": [int(z) for z in species],
            "cutoff": float(cutoff),
            "irreps_edge_sh": "+".join(f"1x{l}{'eo'[l % 2]}" for l in degrees),
            "type_embed_num_features": self.channels,
            "feature_irreps_hidden": [hidden] * (self.layers - 1) + [f"{self.channels}x0e"],
            "radial_mlp_depth": [self.radial_mlp_depth] * self.layers,
            "radial_mlp_width": [self.radial_mlp_width] * self.layers,
            "num_bessels": self.num_bessels,
            "polynomial_cutoff_p": self.polynomial_cutoff_p,
            "avg_num_neighbors": float(average_neighbors),
            "per_type_energy_scales": float(energy_scale),
            "per_type_energy_shifts": 0.0,
        }


class GraphHost(Host):
    """A network of the NequIP framework.

    Its modules are run one by one up to the energies of the atoms; a subclass collects features between them.
    """

    network: SequentialGraphNetwork

    def __init__(
        self, configuration: dict[str, Any], build: Callable[..., Any], names: Sequence[str], **shape: Any
    ) -> None:
        super().__init__(configuration, species=configuration["species"], cutoff=configuration["cutoff"], **shape)
        values = {name: value for name, value in configuration.items() if name not in ("species", "cutoff")}
        # Other arguments of the builders can name code to run, which no file shall do.
        if unknown := sorted(set(values) - set(names)):
            raise ValueError(f"host_configuration has the unknown entries {unknown}; known are {', '.join(names)}")
        with plain_modules(), conditional_torchscript_mode(False):
            types = [SYMBOLS[z] for z in self.species]
            whole = build(r_max=self.cutoff, type_names=types, do_derivatives=False, **values)
        self.network = self.adopt(whole.func)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        dtype = next(self.parameters()).dtype
        for module in self.network.modules():
            if hasattr(module, "_output_dtype"):
                module._output_dtype = dtype
        return self

    def run(
        self, vectors: torch.Tensor, edge_index: torch.Tensor, kind: torch.Tensor, after: Callable[..., None]
    ) -> Any:
        """Energies of the atoms [N] in eV; ``after(module, data)`` is called after each module."""
        dtype = next(self.parameters()).dtype
        data = {
            AtomicDataDict.EDGE_INDEX_KEY: edge_index.flip(0),  # receiver and sender
            AtomicDataDict.EDGE_VECTORS_KEY: vectors.to(dtype),
            AtomicDataDict.ATOM_TYPE_KEY: kind,
        }
        for name, module in self.network.named_children():
            if name != "total_energy_sum":
                data = module(data)
                after(module, data)
        return data[AtomicDataDict.PER_ATOM_ENERGY_KEY][:, 0].double()


class Adapter(GraphHost):
    """A NequIP network; scalars are those of all layers, vectors and tensors those of all layers but the last.

    Parameters
    ----------
    configuration : dict
        ``species``, ``cutoff`` and the arguments of nequip's ``FullNequIPGNNModel`` as plain values.
    """

    def __init__(self, configuration: dict[str, Any]) -> None:
        layers = configuration["feature_irreps_hidden"]
        super().__init__(
            configuration,
            FullNequIPGNNModel.__wrapped__,  # the decorated builder seeds torch itself and asks for a global state
            NAMES,
            receptive_field=len(layers) * configuration["cutoff"],
            multiplicities=(0, 0, 0),
        )
        self._irreps = [
            o3.Irreps(module.irreps_out[AtomicDataDict.NODE_FEATURES_KEY])
            for module in self.network.children()
            if isinstance(module, ConvNetLayer)
        ]
        counts = [multiplicities(irreps) for irreps in self._irreps]
        self.multiplicities = tuple(sum(count) for count in zip(*counts, strict=True))

    def forward(self, vectors: torch.Tensor, edge_index: torch.Tensor, kind: torch.Tensor) -> HostResult:
        """See `Host.forward`."""
        layers: list[torch.Tensor] = []

        def collect(module: torch.nn.Module, data: dict[str, torch.Tensor]) -> None:
            if isinstance(module, ConvNetLayer):
                layers.append(data[AtomicDataDict.NODE_FEATURES_KEY])

        energies = self.run(vectors, edge_index, kind, collect)
        parts = [split_irreps(layer, irreps) for layer, irreps in zip(layers, self._irreps, strict=True)]
        return HostResult(energies, joined(parts))
