"""The pairs of clusters in C++ on a CPU are those that torch computes, to every order."""

import pytest
import torch

from openmm_polarmp.electrostatics import _pair_potential
from openmm_polarmp.electrostatics._multi_index import count
from openmm_polarmp.electrostatics._pair_potential import ClusterPairs, Orders

ORDERS = [Orders(0, 0), Orders(1, 2), Orders(3, 1), Orders(2, 4), Orders(4, 4)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("sizes", [[1], [2], [7, 1, 12, 5]], ids=str)
def test_the_same_potentials(monkeypatch, sizes, dtype):
    """Clusters of any size, atoms in any order, pairs on both sides of the series' limit."""
    generator = torch.Generator().manual_seed(2)
    n = sum(sizes)
    positions = (3 * torch.randn(n, 3, generator=generator, dtype=torch.float64)).to(dtype)
    atoms = torch.randperm(n, generator=generator)
    sources = [torch.randn(n, count(o.source), generator=generator, dtype=torch.float64).to(dtype) for o in ORDERS]
    pairs = ClusterPairs(atoms, sizes, 0.9)
    ours = pairs.potentials(positions, sources, ORDERS)
    monkeypatch.setattr(_pair_potential, "computes_in_loops", lambda tensor: False)
    theirs = pairs.potentials(positions.double(), [s.double() for s in sources], ORDERS)
    tolerance = 1e-11 if dtype == torch.float64 else 1e-5
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == dtype
        assert (a - b).abs().max() <= tolerance * b.abs().max()


def test_sizes_that_do_not_agree_are_refused():
    from openmm_polarmp._polarmp import add_cluster_potentials

    positions, sizes = torch.zeros(3, 4, dtype=torch.float64), torch.tensor([3])
    with pytest.raises(ValueError, match="arrays of clusters"):
        add_cluster_potentials(positions, sizes, 1.0, [(0, 0)], positions[:1], positions[:1].clone())
