"""MACE as a host: the modules of mace-torch, evaluated on the vectors between neighbours."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from openmm_polarmp.hosts.building import plain_modules
from openmm_polarmp.hosts.features import joined, multiplicities, split_irreps
from openmm_polarmp.hosts.protocol import Host, HostResult

with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")
    from e3nn import o3
    from mace.modules import ScaleShiftMACE, gate_dict, interaction_classes, readout_classes
    from mace.modules.wrapper_ops import CUET_AVAILABLE, CuEquivarianceConfig

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Settings:
    """The settings of a new MACE network.

    Attributes
    ----------
    channels : int
        Features of each degree.
    l_max : int
        Highest degree of the features: 0, 1 for dipoles, 2 for quadrupoles and tensor polarizabilities.
    max_ell : int
        Highest degree of the neighbours' density.
    layers : int
        Number of interactions.
    correlation : int
        Factors in the products of the density: 2 is three-body, 3 four-body.
    num_bessel, num_polynomial_cutoff : int
        Radial functions, and the power of their cutoff.
    radial_mlp : list of int
        Hidden layers of the functions of the distance.
    readout : int
        Hidden layer of the energy's readout.
    pair_repulsion : bool
        Add MACE's form of the repulsion of Ziegler, Biersack and Littmark.
    cuequivariance : bool
        Use NVIDIA's kernels. Weights have another form then, so that such a model needs cuequivariance wherever it is used.
    """

    channels: int = 32
    l_max: int = 1
    max_ell: int = 2
    layers: int = 2
    correlation: int = 3
    num_bessel: int = 8
    num_polynomial_cutoff: int = 5
    radial_mlp: list[int] | None = None
    readout: int = 16
    pair_repulsion: bool = False
    cuequivariance: bool = False

    def __post_init__(self) -> None:
        for name, low in (
            ("channels", 1),
            ("l_max", 0),
            ("max_ell", 0),
            ("layers", 1),
            ("correlation", 1),
            ("readout", 1),
            ("num_bessel", 1),
            ("num_polynomial_cutoff", 1),
        ):
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; integers from {low} are accepted")
        if any(width < 1 for width in self.radial_mlp or ()):
            raise ValueError(f"radial_mlp is {self.radial_mlp}; integers from 1 are accepted")

    def configuration(
        self, species: Sequence[int], cutoff: float, average_neighbors: float, energy_scale: float, degree: int
    ) -> dict[str, Any]:
        """The configuration of the network.

        Parameters
        ----------
        species : sequence of int
            Atomic numbers.
        cutoff : float
            A.
        average_neighbors, energy_scale : float
            Of the data: number of neighbours, and energy of an atom in eV.
        degree : int
            Highest degree that heads read of the last layer: without heads that need vectors its features are scalars.
        """
        return {
            "r_max": float(cutoff),
            "num_bessel": self.num_bessel,
            "num_polynomial_cutoff": self.num_polynomial_cutoff,
            "max_ell": self.max_ell,
            "interaction_cls": "RealAgnosticResidualInteractionBlock",
            "interaction_cls_first": "RealAgnosticInteractionBlock",
            "num_interactions": self.layers,
            "hidden_irreps": "+".join(f"{self.channels}x{l}{'eo'[l % 2]}" for l in range(self.l_max + 1)),
            "MLP_irreps": f"{self.readout}x0e",
            "avg_num_neighbors": float(average_neighbors),
            "atomic_numbers": [int(z) for z in species],
            "correlation": self.correlation,
            "gate": "silu",
            "pair_repulsion": self.pair_repulsion,
            "radial_MLP": list(self.radial_mlp or (64, 64, 64)),
            "atomic_inter_scale": float(energy_scale),
            "atomic_inter_shift": 0.0,
            "keep_last_layer_irreps": degree > 0,
            "cuequivariance": self.cuequivariance,
        }


class Adapter(Host):
    """A MACE network.

    Parameters
    ----------
    configuration : dict
        The arguments of mace-torch's `ScaleShiftMACE` as plain values, with the classes of its blocks by their names. In
        addition ``head``, the index of the head of a network with several, and ``cuequivariance``.
    """

    def __init__(self, configuration: dict[str, Any]) -> None:
        layers = layer_irreps(configuration)
        super().__init__(
            configuration,
            species=configuration["atomic_numbers"],
            cutoff=configuration["r_max"],
            receptive_field=configuration["num_interactions"] * configuration["r_max"],
            multiplicities=np.sum([multiplicities(irreps) for irreps in layers], axis=0),
        )
        self._layers, self._head = layers, int(configuration.get("head", 0))
        self._built_for = torch.float64
        self.network = self.adopt(build(configuration))

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        weight = next(self.network.parameters())
        if self.configuration.get("cuequivariance", False) and weight.dtype != self._built_for:
            self._build_again(weight.dtype, weight.device)
        return self

    def _build_again(self, dtype: torch.dtype, device: torch.device) -> None:
        """Build the network for another precision, which the operations of cuequivariance cannot change, with its weights."""
        parameters = dict(self.network.named_parameters())
        self._exact.clear()
        with torch.random.fork_rng(devices=[]):
            self.network = self.adopt(build(self.configuration, dtype).to(device))
        for name, parameter in parameters.items():
            owner, _, own_name = name.rpartition(".")
            setattr(self.network.get_submodule(owner), own_name, parameter)
        self._built_for = dtype

    def with_cuequivariance(self) -> Adapter:
        """See `Host.with_cuequivariance`; mace-torch converts the weights."""
        c = self.configuration
        if c.get("cuequivariance", False):
            return self
        if c["correlation"] not in (2, 3):
            raise ValueError(f"correlation is {c['correlation']}; with cuequivariance mace-torch accepts 2 and 3")
        with contextlib.redirect_stdout(io.StringIO()):
            from mace.cli.convert_e3nn_cueq import transfer_weights
        weight = next(self.network.parameters())
        with torch.random.fork_rng(devices=[]):
            twin = Adapter({**c, "cuequivariance": True}).to(weight.device, weight.dtype)
        transfer_weights(
            self.network,
            twin.network,
            num_product_irreps=len(o3.Irreps(c["hidden_irreps"])) - 1,
            correlation=c["correlation"],
            num_layers=c["num_interactions"],
            use_reduced_cg=c.get("use_reduced_cg", True),
            keep_last_layer_irreps=c["keep_last_layer_irreps"],
        )
        return twin.requires_grad_(weight.requires_grad).train(self.training)

    def forward(self, vectors: torch.Tensor, edge_index: torch.Tensor, kind: torch.Tensor) -> HostResult:
        """See `Host.forward`."""
        network: Any = self.network
        dtype = network.node_embedding.linear.weight.dtype
        elements = torch.eye(len(self.species), dtype=dtype, device=kind.device).index_select(0, kind)
        vectors = -vectors.to(dtype)  # from sender to receiver
        lengths = vectors.square().sum(1, keepdim=True).sqrt()
        harmonics = network.spherical_harmonics(vectors)
        radial, cutoff = network.radial_embedding(lengths, elements, edge_index, network.atomic_numbers)
        head = torch.full_like(kind, self._head)
        energies = vectors.new_zeros(kind.shape[0])
        if self.configuration["pair_repulsion"]:
            energies = network.pair_repulsion_fn(lengths, elements, edge_index, network.atomic_numbers)

        features, of_layers = network.node_embedding(elements), []
        for number, (interaction, product) in enumerate(zip(network.interactions, network.products, strict=True)):
            message, skip = interaction(
                node_attrs=elements,
                node_feats=features,
                edge_attrs=harmonics,
                edge_feats=radial,
                edge_index=edge_index,
                cutoff=cutoff,
                first_layer=number == 0,
            )
            features = product(node_feats=message, sc=skip, node_attrs=elements)
            of_layers.append(features)
        read = of_layers[-1:] if len(network.readouts) == 1 else of_layers
        for readout, layer in zip(network.readouts, read, strict=True):
            energies = energies + readout(layer, head)[:, self._head]
        energies = network.scale_shift(energies, head)
        parts = [split_irreps(layer, irreps) for layer, irreps in zip(of_layers, self._layers, strict=True)]
        return HostResult(energies.double(), joined(parts))


def layer_irreps(configuration: dict[str, Any]) -> list[Any]:
    """Irreps of the features after each layer."""
    hidden, count = o3.Irreps(configuration["hidden_irreps"]), configuration["num_interactions"]
    scalars = o3.Irreps([hidden[0]])
    last = hidden if configuration["keep_last_layer_irreps"] and count > 1 else scalars
    return [hidden] * (count - 1) + [last]


def build(configuration: dict[str, Any], dtype: torch.dtype = torch.float64) -> ScaleShiftMACE:
    """The network with random weights and without the energies of single atoms."""
    values = {name: value for name, value in configuration.items() if name not in ("head", "cuequivariance")}
    heads = values.get("heads")
    values |= {
        "interaction_cls": interaction_classes[values["interaction_cls"]],
        "interaction_cls_first": interaction_classes[values["interaction_cls_first"]],
        "readout_cls": readout_classes[values.get("readout_cls", "NonLinearReadoutBlock")],
        "gate": gate_dict[values["gate"]],
        "hidden_irreps": o3.Irreps(values["hidden_irreps"]),
        "MLP_irreps": o3.Irreps(values["MLP_irreps"]),
        "num_elements": len(values["atomic_numbers"]),
        "atomic_energies": np.zeros((len(heads or [""]), len(values["atomic_numbers"]))),
    }
    if values.get("edge_irreps") is not None:
        values["edge_irreps"] = o3.Irreps(values["edge_irreps"])
    if configuration.get("cuequivariance", False):
        if not CUET_AVAILABLE:
            raise ImportError(
                "this MACE network uses cuequivariance, not installed here: pip install 'openmm-polarmp[cuequivariance]'"
            )
        values["cueq_config"] = CuEquivarianceConfig(enabled=True, layout="mul_ir", group="O3_e3nn", optimize_all=True)
    with plain_modules(dtype):
        return ScaleShiftMACE(**values)
