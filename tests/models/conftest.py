"""Small networks and structures for the tests of the models."""

from types import SimpleNamespace

import pytest
import torch
from support.models import random_network
from support.torch_sources import make_atoms

from openmm_polarmp.neighbors import neighbor_pairs

TRICLINIC = torch.tensor([[6.0, 0.0, 0.0], [1.5, 5.5, 0.0], [-1.0, 2.0, 6.5]], dtype=torch.float64)


def structure(seed: int = 0, n_atoms: int = 9, cell: torch.Tensor | None = TRICLINIC):
    """Random atoms that keep 0.8 A from each other (images included), of oxygen every third."""
    positions, species = make_atoms(n_atoms, TRICLINIC if cell is None else cell, seed)
    return SimpleNamespace(positions=positions, species=species, cell=cell)


def evaluate(network, positions, species, cell=None, **more):
    """Outputs of the network by name, on freshly searched pairs."""
    index, shifts = neighbor_pairs(positions, network.cutoff, cell)
    energies, multipoles = network(positions, species, index, shifts, cell, **more)
    return {"energy": energies, **dict(multipoles.members())}


@pytest.fixture
def models():
    """The helpers of this file."""
    return SimpleNamespace(make_network=random_network, structure=structure, evaluate=evaluate, triclinic=TRICLINIC)
