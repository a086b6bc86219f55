"""A model as plain arrays for the plugin's own evaluation of its network, without torch."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp import _polarmp
from openmm_polarmp._extras import require_torch
from openmm_polarmp.models import limits
from openmm_polarmp.models.config import NetworkConfig
from openmm_polarmp.models.couplings import TENSORS, message_coupling, product_couplings, second_harmonics
from openmm_polarmp.models.description import ModelDescription
from openmm_polarmp.models.file import ModelFile, ModelFileError
from openmm_polarmp.models.radii import COVALENT_RADII
from openmm_polarmp.models.rung import Rung
from openmm_polarmp.moments import MOMENTS
from openmm_polarmp.sources.options import SourceOptions
from openmm_polarmp.sources.protocol import MomentFlags
from openmm_polarmp.sources.settings import ModelSettings

if TYPE_CHECKING:
    from openmm_polarmp.models import PolarMPModel


class NativeSource(_polarmp.NetworkSource, MomentFlags):
    """A model whose network the plugin's own kernels evaluate: a step runs no Python and needs no torch.

    Parameters
    ----------
    contents : ModelFile
        The model.
    options : SourceOptions

    Attributes
    ----------
    description : ModelDescription
        What the model file says of its model.
    options : SourceOptions
    settings : ModelSettings
        Of the force.
    moments : tuple of str
        Names of what the model gives.
    """

    evaluator = "native"

    def __init__(self, contents: ModelFile, options: SourceOptions) -> None:
        description = ModelDescription.of(contents)
        config = description.config
        if not isinstance(config, NetworkConfig):
            raise ValueError(
                f"{contents.source} has {' and '.join(config.native_obstacles)}; the plugin's own kernels evaluate a "
                "PolarMPNet"
            )
        weights = contents.arrays()
        try:
            super().__init__(*_arguments(config, weights, description.charge_projection, options))
        except (KeyError, RuntimeError) as error:  # weights that are missing or of another shape
            raise ModelFileError(f"{contents.source}: the configuration does not describe a model: {error}") from error
        self.description, self.options = description, options
        self.settings = ModelSettings(
            description.sigma,
            description.k_max,
            config.mutual,
            options.total_charge if description.rung.electronegativity else None,
        )
        self.moments = description.rung.moments
        self.has_flows = description.config.has_flows
        self.has_conductance = description.rung.conductance
        self._contents = contents

    @functools.cached_property
    def model(self) -> PolarMPModel:
        """The same model in torch, made at the first access."""
        require_torch("the model of a force in torch (getModel().model)")
        from openmm_polarmp.sources.torch_models import torch_model, without_atomic_energies

        model = torch_model(self._contents)
        return without_atomic_energies(model) if self.options.interaction_energy else model


def network_source(
    config: NetworkConfig,
    weights: Mapping[str, NDArray[Any]],
    atomic_numbers: Sequence[int],
    *,
    charge_projection: bool,
    **options: Any,
) -> _polarmp.NetworkSource:
    """The network of a model file as a source that the plugin's kernels evaluate.

    Parameters
    ----------
    config : NetworkConfig
    weights : dict of arrays
        By their names in the file.
    atomic_numbers : sequence of int
        Of the force's particles, in their order.
    charge_projection : bool
        Whether charges are shifted to the total charge.
    **options
        Of `SourceOptions`.
    """
    return _polarmp.NetworkSource(
        *_arguments(config, weights, charge_projection, SourceOptions.of(atomic_numbers, **options))
    )


def _arguments(
    config: NetworkConfig, weights: Mapping[str, NDArray[Any]], charge_projection: bool, options: SourceOptions
) -> tuple[Any, ...]:
    """Arguments of the C++ side's constructor: settings, weights, each particle's kind, total charge, double precision."""
    kind_of = {z: kind for kind, z in enumerate(config.species)}
    unknown = sorted(set(options.atomic_numbers) - set(kind_of))
    if unknown:
        raise ValueError(
            f"species has atomic numbers {unknown} that the model does not know; it knows {list(config.species)}"
        )
    if config.formal_charges:
        total = sum(config.formal_charges[z] for z in options.atomic_numbers)
        if abs(total - options.total_charge) > 1e-6:
            raise ValueError(
                f"total_charge is {options.total_charge}; the formal charges of these atoms sum to {total}, and charge that flows "
                "between atoms is conserved"
            )
    rung = Rung.parse(config.rung)
    head_degree = _head_degree(config, rung)
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    # What the network sees of the state of the whole structure is the same for all atoms of a kind.
    state = [options.total_charge] if config.total_charge_input else []
    state += [options.multiplicity - 1] if config.multiplicity_input else []
    if state:
        arrays["embedding.weight"] = arrays["embedding.weight"] + arrays.pop("state_embedding.weight") @ np.array(state)
    _join_edge_heads(arrays)
    largest_softness = limits.LARGEST_MUTUAL_SOFTNESS if config.mutual else limits.LARGEST_SOFTNESS
    electronegativities: list[float] = []
    if rung.electronegativity:
        electronegativities = arrays.pop("heads.of_species").tolist()
        largest_softness = 1 / limits.OWN_CHARGE
    settings = {
        "num_species": len(config.species),
        "layers": config.layers,
        "l_max": config.l_max,
        "l_message": config.l_message,
        "channels": config.channels,
        "message_channels": config.message_channels,
        "num_radial": config.n_radial,
        "hidden": config.hidden,
        "correlation": config.correlation,
        "density_limit": config.density_limit or 0.0,
        "cutoff": float(config.cutoff),
        "radial_scale": 1 / math.sqrt(config.average_neighbors),
        **{moment.name: moment.name in rung.moments for moment in MOMENTS},
        "tensor_polarizability": rung.polarizability and config.polarizability == "tensor",
        "largest_softness": largest_softness,
        "largest_polarizability": limits.LARGEST_MUTUAL_POLARIZABILITY
        if config.mutual
        else limits.LARGEST_POLARIZABILITY,
        "charges": rung.charges and not config.formal_charges,  # the network's
        "transfers": config.charges == "flow",
        "conducts": rung.conductance,
        "formal_charges": [config.formal_charges[z] for z in config.species] if config.formal_charges else [],
        "electronegativities": electronegativities,
        "charge_projection": charge_projection
        and rung.charges
        and not config.formal_charges
        and not rung.electronegativity,
        "energy_scale": [config.energy_scale.get(z, 1.0) for z in config.species],
        "energy_shift": [
            0.0 if options.interaction_energy else config.energy_shift.get(z, 0.0) for z in config.species
        ],
        "zbl_number": [float(z) for z in config.species] if config.zbl else [],
        "zbl_radius": [COVALENT_RADII[z - 1] for z in config.species] if config.zbl else [],
        "second_harmonics": second_harmonics(),
        "products": [
            product_couplings(config.l_max, _feature_degree(config, layer, head_degree), config.correlation)
            for layer in range(config.layers)
        ],
        "message": message_coupling(config.l_message, config.l_max),
        "tensor_to_cartesian": TENSORS.ravel().tolist(),
    }
    flat = {name: (list(a.shape), np.ascontiguousarray(a).ravel().tolist()) for name, a in arrays.items()}
    kinds = [kind_of[z] for z in options.atomic_numbers]
    return settings, flat, kinds, float(options.total_charge), options.precision == "double"


def _join_edge_heads(arrays: dict[str, NDArray[Any]]) -> None:
    """Make the atoms' numbers of the heads of pairs the last rows of the heads' last map, and join what pairs look up."""
    for part in ("weight", "bias"):
        rows = arrays.pop(f"edge_heads.atoms.{part}", None)
        if rows is not None:
            arrays[f"heads.final.{part}"] = np.concatenate([arrays[f"heads.final.{part}"], rows])
    for name, sign in (("transfer", -1), ("conductance", 1)):
        table = arrays.pop(f"edge_heads.species_{name}", None)
        if table is not None:
            arrays[f"edge_heads.{name}"] = table + sign * table.transpose(1, 0, 2)


def _head_degree(config: NetworkConfig, rung: Rung) -> int:
    """Highest degree of the features that the heads read."""
    if rung.quadrupoles or (rung.polarizability and config.polarizability == "tensor"):
        return 2
    return 1 if rung.dipoles else 0


def _feature_degree(config: NetworkConfig, layer: int, head_degree: int) -> int:
    """Highest degree of a layer's features."""
    return head_degree if layer + 1 == config.layers else max(config.l_message, head_degree)
