"""Hosts in training: a new one or one of a file, with new heads, and which of its weights are trained how fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch

from openmm_polarmp.hosts import HostedConfig, HostedNet
from openmm_polarmp.hosts.config import head_degree
from openmm_polarmp.hosts.registry import host_module
from openmm_polarmp.models import PolarMPModel, load_model
from openmm_polarmp.training.config import ModelConfig, TrainingConfig
from openmm_polarmp.training.data import labels
from openmm_polarmp.training.data.statistics import average_neighbors, single_atoms
from openmm_polarmp.training.plain_values import build

HEAD_SETTINGS = (
    "rung",
    "response",
    "charges",
    "formal_charges",
    "polarizability",
    "rounds",
    "channels",
    "hidden",
    "n_radial",
)
PAIR_RATE = 0.3
"""Of the heads of pairs: one step changes what an atom exchanges with all of its neighbours together."""


def hosted_network(config: TrainingConfig, frames: Sequence[ase.Atoms], species: tuple[int, ...]) -> HostedNet:
    """A host with new heads: a new host, or that of the file ``start_host``."""
    if config.tensor_products != "dense":
        raise ValueError(
            f"tensor_products is {config.tensor_products!r}; with a host 'dense' is accepted, as the products are the host's "
            "(MACE: host_settings: {cuequivariance: true})"
        )
    settings = config.model
    return _of_file(settings, frames, species) if settings.start_host else _new(settings, frames, species)


def freeze(model: PolarMPModel, settings: ModelConfig) -> None:
    """Keep the host's weights as they are, if the configuration says so."""
    hosted = isinstance(model.network, HostedNet)
    if settings.host_training != "all" and not hosted:
        raise ValueError(f"host_training is {settings.host_training!r}; it needs a model with a host")
    if settings.host_training == "frozen":
        model.network.host.requires_grad_(False)
        if not any(p.requires_grad for p in model.parameters()):
            raise ValueError(f"host_training is 'frozen' and rung is {settings.rung!r}: there is nothing to train")


def parameter_groups(model: PolarMPModel, settings: ModelConfig) -> list[dict[str, Any]]:
    """Groups of weights for the optimizer, each with a factor ``rate`` of the learning rate.

    Those that are ``held`` are not changed as long as charges are (`OptimizerConfig.hold_charges`).
    """
    trained = {p for p in model.parameters() if p.requires_grad}
    edge_heads = getattr(model.network, "edge_heads", None)
    pairs = trained & set(() if edge_heads is None else edge_heads.parameters())
    host = trained & set(model.network.host.parameters() if settings.host_training == "slow" else ())
    kinds = ((trained - pairs - host, 1.0, False), (pairs, PAIR_RATE, True), (host, settings.host_rate, False))
    # In the model's order, which a checkpoint relies on.
    groups = [([p for p in model.parameters() if p in members], rate, held) for members, rate, held in kinds]
    return [{"params": members, "rate": rate, "held": held} for members, rate, held in groups if members]


def _new(settings: ModelConfig, frames: Sequence[ase.Atoms], species: tuple[int, ...]) -> HostedNet:
    assert settings.host is not None
    module = host_module(settings.host)
    host_settings = build(module.Settings, settings.host_settings, "model.host_settings")
    squares = np.concatenate([labels(frame)["forces"].ravel() ** 2 for frame in frames])
    configuration = host_settings.configuration(
        species,
        settings.cutoff,
        average_neighbors(frames, settings.cutoff),
        float(np.sqrt(squares.mean())) or 1.0,
        head_degree(settings.rung, settings.polarizability),
    )
    adapter = module.Adapter(configuration)
    return _with_heads(settings, adapter, host=settings.host, energy_shift=single_atoms(frames))


def _of_file(settings: ModelConfig, frames: Sequence[ase.Atoms], species: tuple[int, ...]) -> HostedNet:
    assert settings.start_host is not None
    model = load_model(settings.start_host)
    network = model.network
    if not isinstance(network, HostedNet):
        raise ValueError(
            f"start_host is {settings.start_host!r}, a {type(network).__name__}; a model with a host is accepted, for example "
            "from polarmp import-mace"
        )
    if settings.host not in (None, network.config.host):
        raise ValueError(f"host is {settings.host!r}; {network.config.host!r}, that of start_host, is accepted")
    if settings.cutoff not in (ModelConfig().cutoff, network.cutoff):
        raise ValueError(f"cutoff is {settings.cutoff}; {network.cutoff}, that of start_host, is accepted")
    model.check_species(torch.tensor(species))
    return _with_heads(
        settings,
        network.host.double(),
        host=network.config.host,
        host_licence=network.config.host_licence or model.licence,
        host_origin=network.config.host_origin or Path(settings.start_host).name,
        energy_shift=network.config.energy_shift,
    )


def _with_heads(settings: ModelConfig, adapter: Any, **values: Any) -> HostedNet:
    config = HostedConfig(
        host_configuration=adapter.configuration,
        species=adapter.species,
        cutoff=adapter.cutoff,
        receptive_field=adapter.receptive_field,
        **{name: getattr(settings, name) for name in HEAD_SETTINGS},
        **values,
    )
    return HostedNet(config, adapter)
