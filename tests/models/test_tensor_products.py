"""Tensor products by cuequivariance give the results of the dense matrix products."""

import importlib.util

import numpy as np
import pytest
import torch
from openmmml import MLPotential
from support.models import random_network, tiny_model
from support.platforms import CPU
from support.systems import energy_and_forces, force_in, relative_error
from support.water import water

from openmm_polarmp import PolarMPForce
from openmm_polarmp.models import load_model, use_tensor_products
from openmm_polarmp.neighbors import neighbor_pairs


def a_structure(seed=0):
    rng = np.random.default_rng(seed)
    positions = torch.tensor(rng.uniform(0, 4.5, (12, 3)), requires_grad=True)
    return positions, torch.tensor([1, 8] * 6)


def outputs(network, positions, species):
    index, shifts = neighbor_pairs(positions.detach(), network.cutoff)
    energies, moments = network(positions, species, index, shifts.double(), None)
    return [energies, *(value for _, value in moments.members())]


@pytest.mark.parametrize(
    "options",
    [{"layers": 1}, {"layers": 2}, {"correlation": 2}, {"l_max": 1, "rung": "qu+ka"}, {"polarizability": "tensor"}],
)
def test_the_same_outputs_and_derivatives(options):
    """First derivatives for dynamics, the weights' derivatives of forces for training; in both precisions, one after the other."""
    network = random_network(1, message_channels=3, **options)
    positions, species = a_structure()
    keys = set(network.state_dict())
    found = {}
    for name in ("dense", "cuequivariance"):
        use_tensor_products(network, name)
        network.float().double()  # the couplings stay exact
        values = outputs(network, positions, species)
        (gradient,) = torch.autograd.grad(sum(v.double().pow(2).sum() for v in values), positions, create_graph=True)
        weights = [p for p in network.parameters() if p.requires_grad]
        second = torch.autograd.grad(gradient.pow(2).sum(), weights, allow_unused=True)
        found[name] = [*values, gradient, *(g for g in second if g is not None)]
    assert set(network.state_dict()) == keys
    for dense, accelerated in zip(found["dense"], found["cuequivariance"], strict=True):
        torch.testing.assert_close(accelerated, dense, rtol=1e-10, atol=1e-12)


def test_single_precision():
    network = random_network(1, message_channels=3)
    positions, species = a_structure()
    exact = outputs(network.double(), positions, species)
    use_tensor_products(network, "cuequivariance")
    for value, expected in zip(outputs(network.float(), positions, species), exact, strict=True):
        torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=1e-5)


def test_a_force_that_uses_it():
    topology, positions = water(8)
    found = {}
    for name in ("dense", "cuequivariance"):
        potential = MLPotential("polarmp", modelPath=tiny_model())
        system = potential.createSystem(topology, precision="double", tensorProducts=name)
        force = force_in(system)
        assert force.getModel().options.tensor_products == name
        context = CPU.context(system)
        context.setPositions(positions)
        found[name] = energy_and_forces(context)
    assert found["cuequivariance"][0] == pytest.approx(found["dense"][0], rel=1e-9)
    assert relative_error(found["cuequivariance"][1], found["dense"][1]) < 1e-8


def test_bad_names_and_a_missing_package(monkeypatch):
    model = load_model("polarmp-water")
    with pytest.raises(ValueError, match=r"tensor_products is 'fast'; 'dense' and 'cuequivariance' are accepted"):
        PolarMPForce(model, atomic_numbers=[8, 1, 1], tensor_products="fast")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs cuequivariance-torch"):
        PolarMPForce(model, atomic_numbers=[8, 1, 1], tensor_products="cuequivariance")
