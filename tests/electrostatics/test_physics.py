"""Known constants, limits, symmetries and derivatives of the torch electrostatics."""

import math

import pytest
import torch

from openmm_polarmp.electrostatics import ElectrostaticPlan, Multipoles, electrostatic_energy
from openmm_polarmp.units import COULOMB

F64 = torch.float64
TRICLINIC = torch.tensor([[9.0, 0.0, 0.0], [4.0, 8.5, 0.0], [-4.3, 3.9, 9.5]], dtype=F64)


def random_positions(n: int, cell: torch.Tensor | None, seed: int = 0) -> torch.Tensor:
    """In a box, or in a cube of 6 A."""
    box = 6.0 * torch.eye(3, dtype=F64) if cell is None else cell
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(seed), dtype=F64) @ box


LATTICES = {  # fractional positions, charges, nearest distance in units of the cubic edge, Madelung constant
    "NaCl": (
        [[i / 2, j / 2, k / 2] for i in (0, 1) for j in (0, 1) for k in (0, 1)],
        [(-1) ** (i + j + k) for i in (0, 1) for j in (0, 1) for k in (0, 1)],
        0.5,
        1.7475645946331822,
    ),
    "CsCl": ([[0, 0, 0], [0.5, 0.5, 0.5]], [1, -1], math.sqrt(3) / 2, 1.7626747730709883),
    "zincblende": (
        [
            [0, 0, 0],
            [0, 0.5, 0.5],
            [0.5, 0, 0.5],
            [0.5, 0.5, 0],
            [0.25, 0.25, 0.25],
            [0.25, 0.75, 0.75],
            [0.75, 0.25, 0.75],
            [0.75, 0.75, 0.25],
        ],
        [1] * 4 + [-1] * 4,
        math.sqrt(3) / 4,
        1.6380550533887898,
    ),
}


@pytest.mark.parametrize("name", LATTICES)
def test_madelung_constants(name):
    """Smearing changes the energy of a pair at distance d by erfc(d / (sqrt(2) sigma)): 1e-12 here."""
    places, charges, nearest, madelung = LATTICES[name]
    edge, sigma = 4.0, 4.0 * nearest / 7.2
    cell = edge * torch.eye(3, dtype=F64)
    q = torch.tensor(charges, dtype=F64)
    energy = electrostatic_energy(
        torch.tensor(places, dtype=F64) * edge, Multipoles(q), cell, sigma=sigma, method="ewald", accuracy=1e-13
    ).energy
    pairs = len(charges) / 2
    assert -energy.item() / pairs * edge * nearest / COULOMB == pytest.approx(madelung, rel=1e-10)


def test_dipole_lattice():
    """Point dipoles on a simple cubic lattice, conducting surroundings: the field at each is Lorentz's, 4 pi/3 mu/a^3."""
    a, sigma = 5.0, 0.6
    mu = torch.tensor([[0.3, -0.1, 0.2]], dtype=F64)
    result = electrostatic_energy(
        torch.zeros(1, 3, dtype=F64),
        Multipoles(torch.zeros(1, dtype=F64), mu),
        a * torch.eye(3, dtype=F64),
        sigma=sigma,
        method="ewald",
        accuracy=1e-13,
    )
    torch.testing.assert_close(result.field, 4 * math.pi / 3 * COULOMB * mu / a**3, rtol=1e-9, atol=0)


def test_quadrupole_lattice():
    """Against the direct sum over images, which converges as 1/r^2 for a quadrupole with zero mean over the shells."""
    a, Q = 5.0, torch.diag(torch.tensor([0.4, 0.1, -0.5], dtype=F64))[None]
    zero = torch.zeros(1, dtype=F64)
    cell = a * torch.eye(3, dtype=F64)
    lattice = electrostatic_energy(
        torch.zeros(1, 3, dtype=F64), Multipoles(zero, None, Q), cell, method="ewald", accuracy=1e-13
    ).energy
    steps = torch.arange(-6, 7, dtype=F64) * a
    images = torch.cartesian_prod(steps, steps, steps)
    centre = int((images.norm(dim=1) == 0).nonzero())
    inside = images.norm(dim=1) < 6.1 * a
    images, centre = images[inside], int(inside[:centre].sum())
    quadrupoles = Q.repeat(len(images), 1, 1).requires_grad_(True)
    cluster = electrostatic_energy(
        images, Multipoles(torch.zeros(len(images), dtype=F64), None, quadrupoles), method="direct"
    ).energy
    (gradient,) = torch.autograd.grad(cluster, quadrupoles)
    direct = 0.5 * (gradient[centre] * Q[0]).sum()
    assert lattice.item() == pytest.approx(direct.item(), rel=2e-3)


def test_cluster_in_growing_boxes(oracle):
    """The images' influence falls with the third power of the box: L^3 times the difference tends to a constant."""
    positions, moments = random_positions(8, None), oracle.random_multipoles(8, neutral=True)
    alone = electrostatic_energy(positions, moments, method="direct").energy
    differences = []
    for edge in (30.0, 60.0):
        cell = edge * torch.eye(3, dtype=F64)
        differences.append(
            (electrostatic_energy(positions, moments, cell, method="pme", accuracy=1e-7).energy - alone).item()
        )
    assert abs(differences[0]) < 0.02
    assert differences[0] / differences[1] == pytest.approx(8.0, rel=0.1)


@pytest.mark.parametrize("method", ["direct", "ewald", "pme"])
def test_first_and_second_derivatives(oracle, method):
    cell = None if method == "direct" else 7.0 * torch.eye(3, dtype=F64)
    positions, moments = random_positions(3, cell, seed=3), oracle.random_multipoles(3, neutral=True)
    moments.softness += 0.01  # away from zero, below which no difference can be taken
    inputs = [positions, *(m for _, m in moments.members())]
    names = [n for n, _ in moments.members()]
    inputs = [*inputs, *([] if cell is None else [cell])]
    inputs = [x.clone().requires_grad_(True) for x in inputs]

    def energy(r, *values):
        members = Multipoles(**dict(zip(names, values, strict=False)))
        box = None if cell is None else values[-1]
        return electrostatic_energy(r, members, box, method=method, accuracy=1e-2).energy

    assert torch.autograd.gradcheck(energy, inputs, eps=1e-5, atol=1e-6)
    assert torch.autograd.gradgradcheck(energy, inputs, eps=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["ewald", "pme"])
def test_stress(oracle, method):
    """dU/d(strain) from the gradients by positions and cell equals finite strain differences, with the same waves or mesh."""
    positions, moments = random_positions(10, TRICLINIC, seed=2), oracle.random_multipoles(10, neutral=True)
    plan = ElectrostaticPlan(positions, TRICLINIC, method=method, accuracy=1e-4)
    r, cell = positions.clone().requires_grad_(True), TRICLINIC.clone().requires_grad_(True)
    by_r, by_cell = torch.autograd.grad(electrostatic_energy(r, moments, cell, plan=plan).energy, (r, cell))
    virial = positions.T @ by_r + TRICLINIC.T @ by_cell
    h = 1e-4
    for a, b in [(0, 0), (0, 1), (2, 1), (2, 2)]:
        strain = torch.zeros(3, 3, dtype=F64)
        strain[a, b] = h
        up, down = torch.eye(3, dtype=F64) + strain, torch.eye(3, dtype=F64) - strain
        change = [electrostatic_energy(positions @ s, moments, TRICLINIC @ s, plan=plan).energy for s in (up, down)]
        slope = ((change[0] - change[1]) / (2 * h)).item()
        assert slope == pytest.approx(virial[a, b].item(), abs=1e-6 * virial.abs().max().item())


def test_order_wrapping_translation_and_rotation_change_no_energy(oracle):
    positions, moments = random_positions(12, TRICLINIC, seed=5), oracle.random_multipoles(12)
    energy = electrostatic_energy(positions, moments, TRICLINIC, method="ewald", accuracy=1e-12).energy
    g = torch.Generator().manual_seed(0)
    wrapped = positions + torch.randint(-2, 3, (12, 3), generator=g).double() @ TRICLINIC
    shifted = positions + torch.randn(3, generator=g, dtype=F64)
    order = torch.randperm(12, generator=g)
    reordered = electrostatic_energy(positions[order], moments[order], TRICLINIC, method="ewald", accuracy=1e-12).energy
    torch.testing.assert_close(reordered, energy, rtol=1e-12, atol=0)
    for changed in (wrapped, shifted):
        torch.testing.assert_close(
            electrostatic_energy(changed, moments, TRICLINIC, method="ewald", accuracy=1e-12).energy,
            energy,
            rtol=1e-10,
            atol=0,
        )
    R = torch.linalg.qr(torch.randn(3, 3, generator=g, dtype=F64))[0]
    rotated = Multipoles(
        moments.charges,
        moments.dipoles @ R.T,
        R @ moments.quadrupoles @ R.T,
        moments.softness,
        R @ moments.polarizability @ R.T,
    )
    for cell in (TRICLINIC, None):
        before = electrostatic_energy(positions, moments, cell, accuracy=1e-10).energy
        after = electrostatic_energy(
            positions @ R.T, rotated, None if cell is None else cell @ R.T, accuracy=1e-10
        ).energy
        torch.testing.assert_close(after, before, rtol=1e-8, atol=0)
