"""Scalars, vectors and tensors out of any irreps in e3nn's layout."""

import torch
from support.hosts import o3

from openmm_polarmp.hosts.features import joined, multiplicities, split_irreps

IRREPS = "3x0e+2x1o+2x1e+1x3o+2x2e+4x0o+1x2o+1x1o+0x2e"


def test_what_belongs_to_moments_is_chosen():
    irreps = o3.Irreps(IRREPS)
    assert multiplicities(irreps) == (3, 3, 2)
    features = torch.randn(5, irreps.dim, dtype=torch.float64)
    scalars, vectors, tensors = split_irreps(features, irreps)
    assert [tuple(x.shape) for x in (scalars, vectors, tensors)] == [(1, 5, 3), (3, 5, 3), (5, 5, 2)]
    assert torch.equal(scalars[0], features[:, :3])
    assert torch.equal(vectors[:, 0, 1], features[0, 6:9])  # the second channel of 2x1o
    assert torch.equal(vectors[:, :, 2], features[:, -3:].T)
    assert [x.shape[2] for x in joined([split_irreps(features, irreps)] * 2)] == [6, 6, 4]


def test_components_turn_as_those_of_e3nn():
    irreps = o3.Irreps(IRREPS)
    features = torch.randn(4, irreps.dim, dtype=torch.float64)
    angles = torch.tensor([0.3, 1.1, -0.7], dtype=torch.float64)
    turned = split_irreps(features @ irreps.D_from_angles(*angles).T, irreps)
    for l, (before, after) in enumerate(zip(split_irreps(features, irreps), turned, strict=True)):
        matrix = o3.Irrep(l, (-1) ** l).D_from_angles(*angles)
        torch.testing.assert_close(after, torch.einsum("ij,jnc->inc", matrix, before))


def test_none_of_a_degree():
    scalars, vectors, tensors = split_irreps(torch.ones(2, 4), o3.Irreps("4x0e"))
    assert scalars.shape[2] == 4 and vectors.shape == (3, 2, 0) and tensors.shape == (5, 2, 0)
