"""Small untrained networks."""

from __future__ import annotations

import torch

from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet
from openmm_polarmp.models.edge_heads import EdgeHeads


def stir_pairs(heads: EdgeHeads | None, std: float | None = None) -> None:
    """Make transfers and conductances of all pairs depend on everything, unlike those of an untrained network.

    ``std`` is the scatter of the weights of the atoms' numbers; None: as large as those of other layers.
    """
    if heads is None:
        return
    heads.atoms.reset_parameters()
    for parameter in heads.atoms.parameters() if std else ():
        torch.nn.init.normal_(parameter, std=std)
    if heads.species_transfer is not None:
        torch.nn.init.normal_(heads.species_transfer, std=0.1)
    if heads.species_conductance is not None:
        torch.nn.init.normal_(heads.species_conductance, 0.5, 0.1)


def tiny_model(species: tuple[int, ...] = (1, 8), rung: str = "quQ+ka", seed: int = 0, **config) -> PolarMPModel:
    """A network that is small, smooth and the same each time."""
    torch.manual_seed(seed)
    settings = {"channels": 8, "message_channels": 4, "cutoff": 3.5, "hidden": 8, **config}
    network = PolarMPNet(
        NetworkConfig(species=species, rung=rung, energy_shift=dict.fromkeys(species, -3.0), **settings)
    )
    stir_pairs(network.edge_heads)
    return PolarMPModel(network, accuracy=1e-6)


def random_network(seed: int = 0, **config) -> PolarMPNet:
    """An untrained network in float64 whose every output is of order one, so that an error in any of them shows."""
    defaults = {
        "species": (1, 8),
        "rung": "quQ+ka",
        "cutoff": 3.0,
        "channels": 6,
        "message_channels": 4,
        "n_radial": 4,
        "hidden": 8,
        "average_neighbors": 10.0,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = PolarMPNet(NetworkConfig(**{**defaults, **config})).double()
        for parameter in network.heads.final.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        stir_pairs(network.edge_heads, std=0.5)
    return network
