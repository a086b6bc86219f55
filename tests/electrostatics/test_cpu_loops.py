"""The pairs of clusters and the meshes in C++ on a CPU are those that torch computes, to every order."""

import pytest
import torch

from openmm_polarmp._cpu_loops import torch_alone
from openmm_polarmp.electrostatics._mesh import Mesh
from openmm_polarmp.electrostatics._multi_index import MAX_ORDER, count
from openmm_polarmp.electrostatics._pair_potential import ClusterPairs, Orders
from openmm_polarmp.electrostatics.window import window

ORDERS = [Orders(0, 0), Orders(1, 2), Orders(3, 1), Orders(2, 4), Orders(4, 4)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("sizes", [[1], [2], [7, 1, 12, 5]], ids=str)
def test_the_same_potentials(sizes, dtype):
    """Clusters of any size, atoms in any order, pairs on both sides of the series' limit."""
    generator = torch.Generator().manual_seed(2)
    n = sum(sizes)
    positions = (3 * torch.randn(n, 3, generator=generator, dtype=torch.float64)).to(dtype)
    atoms = torch.randperm(n, generator=generator)
    sources = [torch.randn(n, count(o.source), generator=generator, dtype=torch.float64).to(dtype) for o in ORDERS]
    pairs = ClusterPairs(atoms, sizes, 0.9)
    ours = pairs.potentials(positions, sources, ORDERS)
    with torch_alone():
        theirs = pairs.potentials(positions.double(), [s.double() for s in sources], ORDERS)
    tolerance = 1e-11 if dtype == torch.float64 else 1e-5
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == dtype
        assert (a - b).abs().max() <= tolerance * b.abs().max()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("order", [0, 2, MAX_ORDER])
@pytest.mark.parametrize("width", [4, 7, 12])
def test_the_same_meshes(width, order, dtype):
    """Two meshes narrower than some windows, atoms of both in any order, some of them outside of the box."""
    generator = torch.Generator().manual_seed(3)
    shape = (9, 5, 14)
    structure = torch.tensor([0, 1, 1, 0, 1])
    mesh = Mesh(shape, structure, 2, window(width, 2, 6.0, 8), 1.0, None, dtype)
    u = (20 * torch.randn(5, 3, generator=generator, dtype=torch.float64)).to(dtype)
    coefficients = torch.randn(5, count(order), generator=generator, dtype=torch.float64).to(dtype)
    amplitudes = torch.randn(2, *shape, generator=generator, dtype=torch.float64).to(dtype)
    ours = mesh.spread(u, coefficients, order), mesh.gather(u, amplitudes, order)
    with torch_alone():
        theirs = mesh.spread(u, coefficients, order), mesh.gather(u, amplitudes, order)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype == dtype and a.shape == b.shape
        assert (a - b).abs().max() <= tolerance * b.abs().max()


def test_several_threads_gather_the_same():
    generator = torch.Generator().manual_seed(5)
    mesh = Mesh((20, 20, 20), torch.zeros(5000, dtype=torch.long), 1, window(6, 2, 6.0, 8), 1.0, None, torch.float64)
    u = 20 * torch.rand(5000, 3, generator=generator, dtype=torch.float64)
    amplitudes = torch.randn(1, 20, 20, 20, generator=generator, dtype=torch.float64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = mesh.gather(u, amplitudes, 2)
        torch.set_num_threads(3)
        assert torch.equal(mesh.gather(u, amplitudes, 2), alone)
    finally:
        torch.set_num_threads(before)


def test_sizes_that_do_not_agree_are_refused():
    from openmm_polarmp._polarmp import MeshWindows, add_cluster_potentials

    mesh = MeshWindows((4, 4, 4), 4, 1, torch.tensor([0, 64]))
    with pytest.raises(ValueError, match="arrays of meshes"):
        mesh.spread(torch.zeros(2, 4), torch.zeros(2, 3), torch.zeros(2, 1), 0, torch.zeros(1, 64))
    with pytest.raises(ValueError, match="a window of 1 to 16"):
        MeshWindows((4, 4, 4), 17, 1, torch.tensor([0]))
    positions, sizes = torch.zeros(3, 4, dtype=torch.float64), torch.tensor([3])
    with pytest.raises(ValueError, match="arrays of clusters"):
        add_cluster_potentials(positions, sizes, 1.0, [(0, 0)], positions[:1], positions[:1].clone())
