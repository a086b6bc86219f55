"""The network's sums and products in C++ on a CPU are those that torch computes, with all derivatives."""

import copy
import pickle

import pytest
import torch
from support.models import random_network
from torch.autograd import gradcheck, gradgradcheck

from openmm_polarmp._cpu_loops import torch_alone
from openmm_polarmp.models.density_sums import DensitySums
from openmm_polarmp.models.sparse_products import SparseProducts


def results(models, network, structure):
    """Outputs, gradients, and the weights' derivatives of gradients."""
    positions = structure.positions.clone().requires_grad_()
    values = list(models.evaluate(network, positions, structure.species, structure.cell).values())
    (gradient,) = torch.autograd.grad(sum(v.double().pow(2).sum() for v in values), positions, create_graph=True)
    weights = list(network.parameters())
    second = torch.autograd.grad(gradient.pow(2).sum(), weights, allow_unused=True)
    return [*values, gradient, *(g for g in second if g is not None)]


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 1},
        {"layers": 2},
        {"correlation": 2},
        {"l_max": 1, "rung": "qu+ka"},
        {"n_radial": 5, "polarizability": "tensor"},
        {"charges": "flow", "rung": "qu+ca"},
    ],
    ids=str,
)
def test_the_same_outputs_and_derivatives(models, options):
    network, structure = random_network(1, message_channels=3, **options).double(), models.structure()
    ours = results(models, network, structure)
    with torch_alone():
        theirs = results(models, network, structure)
    assert len(ours) == len(theirs) > 20
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.fixture
def threads():
    """A function that sets torch's number of threads, which is as before afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_several_threads_give_the_same(threads):
    """Enough work for each of three threads; every number is computed by one of them."""
    generator = torch.Generator().manual_seed(4)
    terms = [(k, i, j, 1.0 + k) for k in range(6) for i in range(4) for j in range(4)]
    products = SparseProducts((6, 4, 4), terms)
    left, right = (torch.randn(4, 100_001, generator=generator) for _ in range(2))
    kinds = torch.randint(0, 3, (3001, 40), generator=generator)
    harmonics, radial = (torch.randn(3001, 40, n, generator=generator).requires_grad_() for n in (9, 8))

    def numbers():
        sums = DensitySums(kinds, 9, 8, 3)(harmonics, radial)
        return [products(left, right), sums, *torch.autograd.grad(sums.pow(2).sum(), (harmonics, radial))]

    threads(1)
    alone = numbers()
    threads(3)
    assert all(torch.equal(a, b) for a, b in zip(alone, numbers(), strict=True))


def test_single_precision(models):
    network, structure = random_network(1, message_channels=3), models.structure()
    with torch_alone():
        exact = results(models, network.double(), structure)
    for a, b in zip(results(models, network.float(), structure), exact, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("length", [1, 3, 37, 128])
def test_products_of_any_length(length):
    """Whole vectors of places and what is left of them, against a sum over the dense array."""
    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(6, 3, 4, generator=generator, dtype=torch.float64)
    dense[torch.rand(dense.shape, generator=generator) < 0.6] = 0.0
    terms = [(k, i, j, dense[k, i, j].item()) for k, i, j in dense.nonzero().tolist()]
    products = SparseProducts((6, 3, 4), terms)
    left, right = (torch.randn(n, length, generator=generator, dtype=torch.float64) for n in (3, 4))
    torch.testing.assert_close(products(left, right), torch.einsum("kij,in,jn->kn", dense, left, right))
    single = products(left.float(), right.float())
    torch.testing.assert_close(single.double(), products(left, right), rtol=1e-5, atol=1e-5)
    inputs = (left.requires_grad_(), right.requires_grad_())
    assert gradcheck(products, inputs)
    assert gradgradcheck(products, inputs)


@pytest.mark.parametrize("shape", [(4, 6), (1, 1), (3, 0)], ids=str)
def test_density_sums(shape):
    """Of several numbers of neighbours, none among them, against a sum with one-hot kinds."""
    generator = torch.Generator().manual_seed(1)
    kinds = torch.randint(0, 3, shape, generator=generator)
    harmonics, radial = (torch.randn(*shape, n, generator=generator, dtype=torch.float64) for n in (4, 5))
    sums = DensitySums(kinds, 4, 5, 3)
    one_hot = torch.nn.functional.one_hot(kinds, 3).double()
    expected = torch.einsum("ijl,ijn,ijs->lins", harmonics, radial, one_hot).flatten(2)
    torch.testing.assert_close(sums(harmonics, radial), expected)
    if shape[1]:
        inputs = (harmonics.requires_grad_(), radial.requires_grad_())
        assert gradcheck(sums, inputs)
        assert gradgradcheck(sums, inputs)


def test_sizes_that_do_not_agree_are_refused():
    products = SparseProducts((2, 2, 2), [(0, 1, 1, 1.0)])
    with pytest.raises(ValueError, match="arrays of a bilinear map"):
        products.values(torch.zeros(3, 4), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="names a component that does not exist"):
        SparseProducts((2, 2, 2), [(0, 2, 1, 1.0)])
    kinds = torch.zeros(2, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="arrays of pairs"):
        DensitySums(kinds, 4, 5, 1)(torch.zeros(2, 2, 4), torch.zeros(2, 3, 5))
    with pytest.raises(ValueError, match="a kind that does not exist"):
        DensitySums(kinds + 1, 4, 5, 1)


def test_networks_that_have_run_can_be_copied(models):
    network, structure = random_network(1).double(), models.structure()
    energy = models.evaluate(network, structure.positions, structure.species, structure.cell)["energy"]
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        again = models.evaluate(other, structure.positions, structure.species, structure.cell)["energy"]
        assert torch.equal(again, energy)
