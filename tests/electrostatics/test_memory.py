"""How much memory the sums take: no array of atoms times wave vectors or of atoms squared."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from openmm_polarmp.electrostatics import electrostatic_energy
from openmm_polarmp.electrostatics._basis import WORK_ELEMENTS


class Largest(TorchDispatchMode):
    """Number of elements of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.untyped_storage().nbytes() // value.element_size())
        return result


def two_derivatives(oracle, n, method, cell=None):
    """Largest tensor, and what autograd keeps (in elements), of a loss on forces."""
    edge = (10.0 * n) ** (1 / 3)
    r = edge * torch.rand(n, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    leaves, r, m, _ = oracle.leaves(r, oracle.random_multipoles(n))
    cell = None if method == "direct" else edge * torch.eye(3, dtype=torch.float64)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 8
        return tensor

    with Largest() as largest, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        energy = electrostatic_energy(r, m, cell, method=method, accuracy=1e-3).energy
        (first,) = torch.autograd.grad(energy, r, create_graph=True)
        torch.autograd.grad((first**2).sum(), leaves)
    return largest.elements, sum(kept.values())


@pytest.mark.parametrize("method", ["direct", "ewald"])
def test_dense_sums_stay_within_their_bound(oracle, method):
    """600 atoms: 5e3 wave vectors would make 3e6 elements, the pairs with their 56 derivatives 2e7."""
    n = 600
    largest, _ = two_derivatives(oracle, n, method)
    assert largest <= max(WORK_ELEMENTS["cpu"], 100 * n)


def test_memory_of_the_mesh_is_linear(oracle):
    """What is kept for the derivatives grows with the atoms; what is not kept is bounded or of the mesh's size."""
    sizes = 500, 4000
    (_, few), (largest, many) = (two_derivatives(oracle, n, "pme") for n in sizes)
    assert many / few < 1.3 * sizes[1] / sizes[0]
    mesh = math.prod(3 * [math.ceil((10.0 * sizes[1]) ** (1 / 3) / 0.621) + 3])
    assert largest <= max(2 * WORK_ELEMENTS["cpu"], 2 * mesh)
