"""Energies, potentials, fields and all first derivatives against the independent implementation of conftest.py."""

import pytest
import torch

from openmm_polarmp.electrostatics import electrostatic_energy

RUNGS = ("q", "qu", "quQ", "qu+k", "qu+a", "qu+ka", "quQ+ka")


def assert_same(result, expected, leaves, expected_leaves, relative):
    """Energy, potential, field and every gradient, each relative to its own largest value."""

    def close(name, a, b):
        scale = float(b.detach().abs().max())
        assert float((a - b).detach().abs().max()) <= relative * max(scale, 1e-3), name

    close("energy", result.energy, expected.energy)
    close("potential", result.potential, expected.potential)
    close("field", result.field, expected.field)
    got = torch.autograd.grad(result.energy, leaves)
    wanted = torch.autograd.grad(expected.energy, expected_leaves)
    for i, (a, b) in enumerate(zip(got, wanted, strict=True)):
        close(f"gradient {i}", a, b)


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("shape", ["cubic", "orthorhombic", "triclinic", "left-handed", "strongly triclinic"])
def test_dense_sum(oracle, rung, shape):
    cell = oracle.cells[shape]
    r = torch.rand(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) @ cell * 1.4 - 1.0
    m = oracle.random_multipoles(9, rung, tensor=shape != "cubic")
    leaves, r1, m1, c1 = oracle.leaves(r, m, cell)
    expected_leaves, r2, m2, c2 = oracle.leaves(r, m, cell)
    # the same sphere of wave vectors: only rounding differs
    result = electrostatic_energy(r1, m1, c1, method="ewald", k_max=6.0)
    assert_same(result, oracle.energy(r2, m2, c2, k_max=6.0), leaves, expected_leaves, 1e-11)


@pytest.mark.parametrize("rung", RUNGS)
def test_direct_sum(oracle, rung):
    r = 2.5 * torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    m = oracle.random_multipoles(8, rung)
    leaves, r1, m1, _ = oracle.leaves(r, m)
    expected_leaves, r2, m2, _ = oracle.leaves(r, m)
    result = electrostatic_energy(r1, m1, sigma=0.8)
    assert_same(result, oracle.energy(r2, m2, sigma=0.8), leaves, expected_leaves, 1e-10)
