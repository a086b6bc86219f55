"""The particle mesh against the dense sum: accuracy, hard cutoffs, cells, precision, the box's origin."""

import math

import pytest
import torch

from openmm_polarmp.electrostatics import ElectrostaticPlan, Multipoles, electrostatic_energy
from openmm_polarmp.electrostatics._lattice import lattice_reduction
from openmm_polarmp.electrostatics.measure_mesh import water_configuration
from openmm_polarmp.electrostatics.mesh_table import MESH_RULES

F64 = torch.float64
SHAPES = ("cubic", "orthorhombic", "triclinic", "left-handed", "strongly triclinic")


def forces(positions, multipoles, cell, **options):
    r = positions.clone().requires_grad_()
    energy = electrostatic_energy(r, multipoles, cell, **options).energy
    return torch.autograd.grad(energy, r)[0].double()


def relative(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("rung", ["q", "qu", "quQ", "qu+k", "qu+a", "qu+ka", "quQ+ka"])
@pytest.mark.parametrize("shape", SHAPES)
def test_asked_accuracy_on_random_atoms(oracle, shape, rung):
    """Overlapping atoms, every rung and cell; seeds that the table was not measured with."""
    cell = 1.2 * oracle.cells[shape]
    r = torch.rand(60, 3, dtype=F64, generator=torch.Generator().manual_seed(31)) @ cell
    m = oracle.random_multipoles(60, rung, seed=32)
    exact = forces(r, m, cell, method="ewald", accuracy=1e-12)
    for accuracy in (1e-2, 1e-3, 5e-4, 1e-4, 1e-5, 1e-6):
        assert relative(forces(r, m, cell, method="pme", accuracy=accuracy), exact) < accuracy


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_asked_accuracy_on_water(sigma, dtype):
    """Widths of the kernel other than the one that the table was measured with; the mesh follows sigma."""
    water = water_configuration(seed=77)
    exact = forces(water.positions, water.multipoles, water.cell, method="ewald", accuracy=1e-12, sigma=sigma)
    arguments = water.positions.to(dtype), water.multipoles.to(dtype), water.cell.to(dtype)
    for accuracy in (1e-3, 5e-4, 1e-4, 1e-5):
        assert relative(forces(*arguments, method="pme", accuracy=accuracy, sigma=sigma), exact) < accuracy


def test_dense_sum_meets_its_accuracy(oracle):
    cell = oracle.cells["triclinic"]
    r = torch.rand(40, 3, dtype=F64, generator=torch.Generator().manual_seed(5)) @ cell
    m = oracle.random_multipoles(40, seed=6)
    exact = forces(r, m, cell, method="ewald", k_max=10.0)
    for accuracy in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10):
        assert relative(forces(r, m, cell, method="ewald", accuracy=accuracy), exact) < accuracy
    single = r.float(), m.to(torch.float32), cell.float()
    for accuracy in (1e-2, 1e-4, 1e-5):
        assert relative(forces(*single, method="ewald", accuracy=accuracy), exact) < accuracy


def test_hard_cutoff(oracle):
    """Both sums leave out the same wave vectors, and the cutoff acts."""
    cell = oracle.cells["triclinic"]
    r = torch.rand(40, 3, dtype=F64, generator=torch.Generator().manual_seed(5)) @ cell
    m = oracle.random_multipoles(40, seed=6)
    cut = forces(r, m, cell, method="ewald", k_max=math.pi)
    assert relative(forces(r, m, cell, method="pme", accuracy=1e-6, k_max=math.pi), cut) < 1e-5
    converged = forces(r, m, cell, method="ewald", accuracy=1e-10)
    assert relative(cut, converged) > 1e-2
    # a cutoff beyond what the accuracy needs has to fit into the mesh
    assert relative(forces(r, m, cell, method="pme", accuracy=1e-6, k_max=9.0), converged) < 1e-6


@pytest.mark.parametrize("accuracy", [1e-3, 1e-5])
def test_origin_and_wrapping_matter_less_than_the_accuracy(oracle, accuracy):
    cell = 1.3 * oracle.cells["triclinic"]
    g = torch.Generator().manual_seed(2)
    r = torch.rand(60, 3, dtype=F64, generator=g) @ cell
    m = oracle.random_multipoles(60, seed=3)
    here = forces(r, m, cell, method="pme", accuracy=accuracy)
    wrapped = r + torch.randint(-3, 4, (60, 3), generator=g).double() @ cell
    assert relative(forces(wrapped, m, cell, method="pme", accuracy=accuracy), here) < 1e-10
    for _ in range(3):
        shift = torch.randn(3, generator=g, dtype=F64)
        assert relative(forces(r + shift, m, cell, method="pme", accuracy=accuracy), here) < accuracy


def test_edge_of_the_cell():
    """A coordinate that rounds to the cell's edge, or lies a rounding error below zero, is where it should be."""
    cell = torch.diag(torch.tensor([8.0, 9.0, 10.0], dtype=F64))
    m = Multipoles(torch.tensor([1.0, -1.0], dtype=F64), torch.ones(2, 3, dtype=F64) / 5)
    inside = torch.tensor([[0.0, 0.0, 0.0], [2.0, 3.0, 1.0]], dtype=F64)
    expected = electrostatic_energy(inside, m, cell, method="pme", accuracy=1e-5).energy
    for offset in (-1e-17, 1e-17, 8.0, -8.0):
        r = inside.clone()
        r[0, 0] += offset
        torch.testing.assert_close(
            electrostatic_energy(r, m, cell, method="pme", accuracy=1e-5).energy, expected, rtol=1e-9, atol=0
        )


@pytest.mark.parametrize("method", ["ewald", "pme"])
@pytest.mark.parametrize("sigma", [0.7, 1.6])
def test_other_widths_and_net_charge(oracle, method, sigma):
    """Against the independent sum: a charged box, sigma other than 1."""
    cell = oracle.cells["left-handed"]
    r = torch.rand(8, 3, dtype=F64, generator=torch.Generator().manual_seed(1)) @ cell
    m = oracle.random_multipoles(8, seed=4)
    assert abs(m.charges.sum()) > 0.5
    leaves, r1, m1, c1 = oracle.leaves(r, m, cell)
    expected_leaves, r2, m2, c2 = oracle.leaves(r, m, cell)
    # the accuracy is the forces'; the stress weights high k more
    accuracy = 1e-7 if method == "pme" else 1e-9
    result = electrostatic_energy(r1, m1, c1, sigma=sigma, method=method, accuracy=accuracy)
    expected = oracle.energy(r2, m2, c2, sigma=sigma, k_max=7.5 / sigma)
    torch.testing.assert_close(result.energy, expected.energy, rtol=1e-6, atol=0)
    gradients = zip(
        torch.autograd.grad(result.energy, leaves), torch.autograd.grad(expected.energy, expected_leaves), strict=True
    )
    for a, b in gradients:
        assert relative(a, b) < 1e-6


@pytest.mark.parametrize("method", ["ewald", "pme"])
def test_one_atom(oracle, method):
    """Its images, its own part taken out, and no force."""
    cell = oracle.cells["triclinic"]
    r = torch.tensor([[0.3, -0.7, 5.0]], dtype=F64)
    m = oracle.random_multipoles(1, seed=9)
    result = electrostatic_energy(r, m, cell, method=method, accuracy=1e-7)
    expected = oracle.energy(r, m, cell)
    torch.testing.assert_close(result.energy, expected.energy, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(result.potential, expected.potential, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(result.field, expected.field, rtol=1e-5, atol=1e-7)
    assert forces(r, m, cell, method=method, accuracy=1e-7).abs().max() < 1e-6


@pytest.mark.parametrize("method", ["direct", "ewald", "pme"])
def test_two_atoms_at_the_same_place(oracle, method):
    """Finite, differentiable twice, and what it is a hair's breadth away."""
    cell = None if method == "direct" else oracle.cells["cubic"]
    m = oracle.random_multipoles(3, seed=2)
    r = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.0, 2.5, 2.0]], dtype=F64)

    def derivatives(x):
        x = x.clone().requires_grad_()
        energy = electrostatic_energy(x, m, cell, method=method, accuracy=1e-7).energy
        (first,) = torch.autograd.grad(energy, x, create_graph=True)
        (second,) = torch.autograd.grad((first**2).sum(), x)
        return energy.detach(), first.detach(), second

    for here, aside in zip(derivatives(r), derivatives(r + 1e-7 * torch.eye(3, dtype=F64)), strict=True):
        assert torch.isfinite(here).all()
        torch.testing.assert_close(here, aside, rtol=1e-4, atol=1e-4)


def test_trace_of_the_quadrupole_does_not_act(oracle):
    cell = oracle.cells["cubic"]
    r = torch.rand(6, 3, dtype=F64, generator=torch.Generator().manual_seed(1)) @ cell
    m = oracle.random_multipoles(6)
    with_trace = m.apply(lambda t: t.clone())
    with_trace.quadrupoles += 3.0 * torch.eye(3, dtype=F64)
    with_trace.quadrupoles[:, 0, 1] += 0.4  # neither does an antisymmetric part
    with_trace.quadrupoles[:, 1, 0] -= 0.4
    for box in (None, cell):
        expected = electrostatic_energy(r, m, box).energy
        torch.testing.assert_close(electrostatic_energy(r, with_trace, box).energy, expected, rtol=1e-12, atol=0)


def test_scalar_polarizability_has_one_meaning(oracle):
    """[N], [N, 1] and the same times the unit matrix."""
    m = oracle.random_multipoles(6, "qu+ka", tensor=False)
    r = 2.0 * torch.randn(6, 3, dtype=F64, generator=torch.Generator().manual_seed(1))
    alpha, identity = m.polarizability, torch.eye(3, dtype=F64)
    for box in (None, oracle.cells["cubic"]):
        results = [
            electrostatic_energy(r, Multipoles(m.charges, m.dipoles, None, kappa, a), box)
            for a, kappa in (
                (alpha, m.softness),
                (alpha[:, None], m.softness[:, None]),
                (alpha[:, None, None] * identity, m.softness),
            )
        ]
        for other in results[1:]:
            torch.testing.assert_close(other.energy, results[0].energy, rtol=1e-13, atol=0)
            torch.testing.assert_close(other.induced_dipoles, results[0].induced_dipoles, rtol=1e-12, atol=1e-15)


def test_reduction_keeps_the_lattice():
    """Short vectors of the same lattice, found from long ones: back from random unimodular combinations."""
    g = torch.Generator().manual_seed(0)
    short = torch.tensor([[4.0, 0, 0], [0.7, 5.0, 0], [-0.9, 1.1, 6.0]]).double().numpy()
    for _ in range(20):
        mix = torch.eye(3, dtype=torch.long)
        for _ in range(6):
            i, j = torch.randperm(3, generator=g)[:2].tolist()
            mix[i] += int(torch.randint(-2, 3, (1,), generator=g)) * mix[j]
        cell = mix.double().numpy() @ short
        reduction = torch.from_numpy(lattice_reduction(cell))
        assert abs(round(float(torch.linalg.det(reduction.double())))) == 1
        lengths = torch.linalg.norm(reduction.double() @ torch.from_numpy(cell), dim=1).sort().values
        expected = torch.linalg.norm(torch.from_numpy(short), dim=1).sort().values
        torch.testing.assert_close(lengths, expected)


def test_auto_takes_the_cheaper_sum():
    def methods(n, edge, accuracy=1e-4, **options):
        cell = edge * torch.eye(3, dtype=F64)
        return ElectrostaticPlan(torch.zeros(n, 3, dtype=F64), cell, accuracy=accuracy, **options).methods

    assert methods(20, 6.0) == ["ewald"]
    assert methods(1000, 21.5) == ["pme"]
    assert methods(1000, 21.5, pbc=torch.tensor([False])) == ["direct"]
    # more than the mesh's table promises
    assert methods(1000, 21.5, accuracy=MESH_RULES[-1].accuracy / 10) == ["ewald"]
