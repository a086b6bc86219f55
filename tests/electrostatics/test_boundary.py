"""Slabs and spheres of boxes in vacuum (theory.md section 10): against more vacuum, clusters, and derivatives."""

import pytest
import torch

from openmm_polarmp.electrostatics import Multipoles, Mutual, electrostatic_energy
from openmm_polarmp.electrostatics.multipoles import traceless
from openmm_polarmp.electrostatics.permanent import Moments, permanent_potential
from openmm_polarmp.electrostatics.plan import ElectrostaticPlan

F64 = torch.float64
ACCURACY = {"accuracy": 1e-11}
PLANES = {
    "square": [[6.0, 0, 0], [0, 6.0, 0], [0, 0, 1]],
    "tilted": [[6.5, 0, 0], [2.0, 6.0, 0], [0.1, 0.05, 1]],
}


def slab(plane, height):
    cell = torch.tensor(PLANES[plane], dtype=F64)
    cell[2] = torch.tensor([0.0, 0.0, height], dtype=F64)
    return cell


def atoms(n=8, thickness=4.0):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 3, generator=generator, dtype=F64) * torch.tensor([6.0, 6.0, thickness], dtype=F64) + 3.0


def moments(oracle, rung, charge, n=8):
    m = oracle.random_multipoles(n, rung, seed=4, neutral=True)
    m.charges = m.charges + charge / n
    return m


@pytest.mark.parametrize("charge", (0.0, 1.0))
@pytest.mark.parametrize("rung", ("quQ", "quQ+ka", "mutual"))
@pytest.mark.parametrize("plane", PLANES)
def test_vacuum_does_not_matter(oracle, plane, rung, charge):
    """A slab, neutral or charged, has the same forces however much vacuum the box has; without the term it has not."""
    mutual = Mutual(1e-12) if rung == "mutual" else None
    m = moments(oracle, "quQ+ka" if mutual else rung, charge)
    if mutual:
        m.polarizability = 0.2 * m.polarizability
    results = {}
    for boundary in ("slab_z", "conducting"):
        for height in (30.0, 60.0):
            r = atoms().requires_grad_()
            result = electrostatic_energy(r, m, slab(plane, height), boundary=boundary, mutual=mutual, **ACCURACY)
            results[boundary, height] = result.energy.detach(), torch.autograd.grad(result.energy, r)[0]
    energies, forces = zip(*(results["slab_z", height] for height in (30.0, 60.0)), strict=True)
    assert abs(energies[0] - energies[1]) < 2e-6
    assert (forces[0] - forces[1]).abs().max() < 2e-6
    plain = [results["conducting", height][1] for height in (30.0, 60.0)]
    assert (plain[0] - plain[1]).abs().max() > 1e-3


@pytest.mark.parametrize("boundary", ("slab_z", "vacuum"))
def test_potential_is_the_derivative_by_moments(oracle, boundary):
    m, r, cell = moments(oracle, "quQ", 0.7 if boundary == "slab_z" else 0.0), atoms(), slab("square", 20.0)
    q, mu = m.charges.clone().requires_grad_(), m.dipoles.clone().requires_grad_()
    plan = ElectrostaticPlan(r, cell, boundary=boundary, **ACCURACY)
    Q = m.traceless_quadrupoles().requires_grad_()
    energy, at_atoms = permanent_potential(r, Moments(q, mu, Q), cell[None], plan, order=2)
    by_q, by_mu, by_Q = torch.autograd.grad(energy.sum(), (q, mu, Q))
    torch.testing.assert_close(by_q, at_atoms.potential.detach())
    torch.testing.assert_close(by_mu, at_atoms.gradient.detach())
    torch.testing.assert_close(traceless(by_Q + by_Q.mT), at_atoms.curvature.detach())


def test_a_slab_of_dipoles_has_no_field_outside(oracle):
    """Two charges that form a capacitor: the field between the plates is 4 pi k_e times the charge per area, and none outside."""
    area, k_e = 36.0, 14.3996454784255
    r = torch.tensor([[3.0, 3, 5], [3.0, 3, 25], [0.0, 0, 14], [0.0, 0, 16], [0.0, 0, 36], [0.0, 0, 38]], dtype=F64)
    charges = torch.tensor([1.0, -1, 0, 0, 0, 0], dtype=F64)
    result = electrostatic_energy(r, Multipoles(charges), slab("square", 60.0), boundary="slab_z", accuracy=1e-9)
    field = (result.potential[2] - result.potential[3]) / 2.0
    assert abs(float(field) - 4 * torch.pi * k_e / area) < 1e-3
    assert abs(float(result.potential[4] - result.potential[5])) < 1e-4


def test_vacuum_around_a_sphere_of_boxes(oracle):
    """A neutral molecule in a cubic box in vacuum comes closer to the molecule alone than one in conducting surroundings."""
    m, r = moments(oracle, "quQ", 0.0), atoms(thickness=6.0)
    alone = float(electrostatic_energy(r, m).energy)
    for edge in (20.0, 40.0):
        cell = edge * torch.eye(3, dtype=F64)
        vacuum, conducting = (
            float(electrostatic_energy(r, m, cell, boundary=b, accuracy=1e-8).energy) - alone
            for b in ("vacuum", "conducting")
        )
        assert abs(conducting) * (edge / 20) ** 3 > 0.02, "the interaction of dipoles falls as the volume"
        assert abs(vacuum) < 0.2 * abs(conducting)


def test_bad_input(oracle):
    m, r = moments(oracle, "q", 0.0), atoms()
    tilted = slab("square", 20.0)
    tilted[1, 2] = 1.0
    with pytest.raises(ValueError, match="boundary is 'slab_x'; 'conducting', 'slab_z', 'vacuum' are accepted"):
        electrostatic_energy(r, m, slab("square", 20.0), boundary="slab_x")
    with pytest.raises(ValueError, match="first two box vectors leave the xy plane"):
        electrostatic_energy(r, m, tilted, boundary="slab_z")
    m.charges = m.charges + 0.1
    with pytest.raises(ValueError, match=r"boundary is 'vacuum' and structure 0 has a charge of 0\.8 e; neutral"):
        electrostatic_energy(r, m, slab("square", 20.0), boundary="vacuum")
