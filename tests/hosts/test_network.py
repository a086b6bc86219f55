"""Hosts with heads as networks: symmetry, pairs, precision and copies."""

import copy

import pytest
import torch
from support.hosts import hosted, hosted_model
from support.torch_sources import CELL, make_atoms

from openmm_polarmp.neighbors import neighbor_pairs

VARIANTS = {
    "all moments": {"polarizability": "tensor"},
    "flows": {"rung": "quQ+ca", "charges": "flow"},
    "electronegativities": {"rung": "qeq+a"},
    "formal charges": {"rung": "qu", "charges": "flow", "formal_charges": {1: 1.0, 8: -2.0}},
}


def outputs(network, positions, species, cell, reach=None):
    index, shifts = neighbor_pairs(positions, reach or network.cutoff, cell)
    energies, multipoles = network(positions, species, index, shifts, cell)
    return {
        "energy": energies.detach(),
        **{name: value.detach() for name, value in multipoles.members() if name != "flows"},
    }


def rotated(name, value, matrix):
    if value.dim() == 1:
        return value
    return value @ matrix.T if name == "dipoles" else matrix @ value @ matrix.T


def rotation(seed=3):
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    return q * torch.linalg.det(q)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("matrix", [rotation(), -torch.eye(3, dtype=torch.float64)], ids=["rotation", "inversion"])
def test_rotations_and_inversion(host, variant, matrix):
    network = hosted(host, **variant)
    positions, species = make_atoms(9, CELL)
    before = outputs(network, positions, species, CELL)
    after = outputs(network, positions @ matrix.T, species, CELL @ matrix.T)
    if network.rung.electronegativity:
        assert not before.pop("charges").any()  # all of them are induced
    for name, value in before.items():
        scale = float(value.abs().max())
        assert scale > 1e-4, f"{name} is too small to test"
        torch.testing.assert_close(after[name], rotated(name, value, matrix), rtol=0, atol=1e-10 * scale)


def test_pairs_beyond_the_cutoff_contribute_nothing(host):
    """On a GPU the list is not cut."""
    network = hosted(host, "quQ+ca", charges="flow")
    positions, species = make_atoms(9, CELL)
    within = outputs(network, positions, species, CELL)
    beyond = outputs(network, positions, species, CELL, reach=network.cutoff + 0.7)
    for name, value in within.items():
        torch.testing.assert_close(beyond[name], value, rtol=1e-12, atol=1e-12)


def test_an_atom_alone_has_the_energy_of_its_element(host):
    network = hosted(host, "q")
    index, shifts = neighbor_pairs(torch.zeros(1, 3, dtype=torch.float64), network.cutoff)
    alone = network.host(shifts.double(), index, torch.tensor([1])).energies
    energy, _ = network(torch.zeros(1, 3, dtype=torch.float64), torch.tensor([8]), index, shifts, None)
    assert energy.item() == pytest.approx(-430.0 + alone.item(), abs=1e-12)
    if host != "toy":
        assert abs(alone.item()) < 1e-12


def test_precision_is_not_lost_on_the_way(host):
    """Constants are rounded from float64 for each precision: a network that was in float32 is exactly equivariant in float64."""
    network = copy.deepcopy(hosted(host)).float()
    network = copy.deepcopy(network).double()
    positions, species = make_atoms(9, CELL)
    matrix = rotation()
    before = outputs(network, positions, species, CELL)
    after = outputs(network, positions @ matrix.T, species, CELL @ matrix.T)
    for name, value in before.items():
        scale = float(value.abs().max())
        torch.testing.assert_close(after[name], rotated(name, value, matrix), rtol=0, atol=1e-10 * scale)


def test_a_copy_is_independent_and_costs_no_random_numbers(host):
    network = hosted(host)
    for parameter in network.host.parameters():
        parameter.requires_grad_(False)
    state = torch.get_rng_state()
    twin = copy.deepcopy(network)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(p.requires_grad for p in twin.host.parameters())
    assert all(p.requires_grad for p in twin.heads.parameters())
    positions, species = make_atoms(9, CELL)
    before = outputs(network, positions, species, CELL)
    for name, value in outputs(twin, positions, species, CELL).items():
        assert torch.equal(value, before[name])
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    for name, value in outputs(network, positions, species, CELL).items():
        assert torch.equal(value, before[name])


def test_heads_without_features_are_an_error():
    with pytest.raises(ValueError, match="reads tensors; the host 'toy' has 4 scalars, 4 vectors, 0 tensors"):
        hosted("toy", "quQ", settings={"l_max": 1})
    with pytest.raises(ValueError, match="tensor polarizability, which reads vectors and tensors"):
        hosted("toy", "q+a", settings={"l_max": 0}, polarizability="tensor")
    hosted("toy", "q+ka", settings={"l_max": 0})


@pytest.mark.parametrize("config", [{"response": "mutual"}, {"rung": "qeq+a"}, {"rounds": 2}], ids=str)
def test_forces_with_self_consistent_moments(config):
    model = hosted_model("toy", **config)
    model.accuracy = 1e-8
    positions, species = make_atoms(6, CELL)
    moving = positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.energy(moving, species, CELL), moving)
    for place in ((0, 0), (5, 2)):
        step = torch.zeros_like(positions)
        step[place] = 1e-4
        ends = [model.energy(positions + sign * step, species, CELL).item() for sign in (1, -1)]
        assert gradient[place].item() == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-5, abs=1e-6)
