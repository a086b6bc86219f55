"""Small untrained networks."""

from __future__ import annotations

import torch

from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet


def tiny_model(species: tuple[int, ...] = (1, 8), rung: str = "quQ+ka", seed: int = 0, **config) -> PolarMPModel:
    """A network that is small, smooth and the same each time."""
    torch.manual_seed(seed)
    settings = {"channels": 8, "message_channels": 4, "cutoff": 3.5, "hidden": 8, **config}
    network = PolarMPNet(
        NetworkConfig(species=species, rung=rung, energy_shift=dict.fromkeys(species, -3.0), **settings)
    )
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
        if network.edge_heads is not None:
            for parameter in network.edge_heads.atoms.parameters():
                torch.nn.init.normal_(parameter, std=0.5)
    return network
