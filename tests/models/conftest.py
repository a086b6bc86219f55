"""Small networks and structures for the tests of the models."""

from types import SimpleNamespace

import pytest
import torch

from openmm_polarmp.models import NetworkConfig, PolarMPNet
from openmm_polarmp.neighbors import neighbor_pairs

TRICLINIC = torch.tensor([[6.0, 0.0, 0.0], [1.5, 5.5, 0.0], [-1.0, 2.0, 6.5]], dtype=torch.float64)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def make_network(seed: int = 0, **options) -> PolarMPNet:
    """An untrained network in float64 whose every output is of order one (so that an error in one shows)."""
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
        network = PolarMPNet(NetworkConfig(**{**defaults, **options})).double()
        for parameter in network.heads.final.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return network


def structure(seed: int = 0, n_atoms: int = 9, cell: torch.Tensor | None = TRICLINIC):
    """Random atoms that keep 0.8 A from each other (images included), and the pairs within 3 A."""
    generator = torch.Generator().manual_seed(seed)
    box = TRICLINIC if cell is None else cell
    positions = torch.empty(0, 3, dtype=torch.float64)
    while len(positions) < n_atoms:
        new = torch.rand(1, 3, generator=generator, dtype=torch.float64) @ box
        trial = torch.cat([positions, new])
        if neighbor_pairs(trial, 0.8, box)[0].shape[1] == 0:
            positions = trial
    species = torch.where(torch.arange(n_atoms) % 3 == 0, 8, 1)
    return SimpleNamespace(positions=positions, species=species, cell=cell)


def evaluate(network, positions, species, cell=None, **more):
    """Outputs of the network by name, on freshly searched pairs."""
    index, shifts = neighbor_pairs(positions, network.cutoff, cell)
    energies, multipoles = network(positions, species, index, shifts, cell, **more)
    return {"energy": energies, **dict(multipoles.members())}


@pytest.fixture
def models():
    """The helpers of this file."""
    return SimpleNamespace(make_network=make_network, structure=structure, evaluate=evaluate, triclinic=TRICLINIC)
