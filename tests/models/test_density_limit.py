"""The limit of the densities: products stay bounded, and ordinary structures hardly feel it."""

import pytest
import torch


def test_limited_densities_bound_the_products(models):
    """Atoms that lie almost upon each other: features beyond a thousand without a limit, of the usual size with one."""
    atoms = models.structure()
    positions = atoms.positions.clone()
    positions[0] = positions[1] + 0.05
    largest = {}
    for limit in (None, 2.0):
        network = models.make_network(density_limit=limit)
        seen = []
        network.layers[0].products.register_forward_hook(
            lambda _, inputs, output, seen=seen: seen.append((*inputs, output))
        )
        models.evaluate(network, positions, atoms.species, atoms.cell)
        density, features = seen[0]
        largest[limit] = [x.detach().abs().max().item() for x in (density, features)]
    assert largest[2.0][0] <= 2.0
    assert largest[2.0][1] < 0.1 * largest[None][1]


def test_short_densities_hardly_feel_the_limit(models):
    atoms = models.structure()
    energies = []
    for limit in (None, 1e4):
        network = models.make_network(density_limit=limit)
        energies.append(models.evaluate(network, atoms.positions, atoms.species, atoms.cell)["energy"].detach())
    assert torch.allclose(*energies, rtol=0, atol=1e-5)
    assert not torch.equal(*energies)


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_density_limit_is_positive(models, limit):
    with pytest.raises(ValueError, match=r"density_limit is .*; a positive number or nothing is accepted"):
        models.make_network(density_limit=limit)
