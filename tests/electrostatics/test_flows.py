"""Charge that flows between neighbours: theory.md section 8, against its equations and finite differences."""

import dataclasses
import math

import pytest
import torch

from openmm_polarmp.electrostatics import (
    Flows,
    Multipoles,
    born_charges,
    born_effective_charges,
    electrostatic_energy,
    polarizability,
    polarization,
    response,
)
from openmm_polarmp.neighbors import displacements, neighbor_pairs
from openmm_polarmp.units import COULOMB

F64 = torch.float64
CUTOFF = 3.2
BOXES = {
    "cluster": None,
    "cubic": 7.0 * torch.eye(3, dtype=F64),
    "triclinic": torch.tensor([[6.8, 0.0, 0.0], [2.1, 6.5, 0.0], [-1.3, 2.4, 7.0]], dtype=F64),
    # Each atom has several images of its neighbours within the cutoff, and some of itself.
    "thin": torch.tensor([[2.9, 0.0, 0.0], [0.4, 7.0, 0.0], [0.2, -0.3, 6.0]], dtype=F64),
}
OPTIONS = {"accuracy": 1e-10}


def atoms(box, n=9, seed=3):
    generator = torch.Generator().manual_seed(seed)
    cell = 5.0 * torch.eye(3, dtype=F64) if box is None else box
    return torch.rand(n, 3, generator=generator, dtype=F64) @ cell


def model(box, n=9, seed=0, formal=True, total=0.0):
    """Moments and flows that depend on the neighbours, as a network's do: every pair twice, with half of its charge."""
    generator = torch.Generator().manual_seed(seed)
    donor, soft = (torch.rand(n, generator=generator, dtype=F64) for _ in range(2))
    start = torch.randn(n, generator=generator, dtype=F64)
    start = 0.4 * (start - start.mean()) + total / n

    def multipoles(positions, cell=box):
        index, shifts = neighbor_pairs(positions.detach(), CUTOFF, None if cell is None else cell.detach())
        vectors = displacements(positions, index, shifts, cell)  # from the receiver i to j
        distance = vectors.norm(dim=1)
        smooth = (1 - distance / CUTOFF).clamp_min(0) ** 3
        j, i = index
        transfer = 0.5 * smooth * (donor[j] - donor[i])
        conductance = 0.02 * smooth * soft[i] * soft[j] * (1 + distance)
        q0 = start
        if not formal:
            density = torch.zeros_like(start).index_add(0, i, smooth)
            q0 = start + 0.1 * (density - density.mean())
        charges = q0.index_add(0, i, transfer)
        dipoles = torch.zeros(n, 3, dtype=F64).index_add(0, i, 0.2 * smooth[:, None] * vectors)
        flows = Flows(torch.stack([i, j]), -vectors, transfer / 2, q0, conductance / 2)
        return Multipoles(charges, dipoles=dipoles, polarizability=0.05 * soft, flows=flows)

    return multipoles


def energy(positions, moments, cell, **options):
    return electrostatic_energy(positions, moments, cell, **OPTIONS, **options).energy


@pytest.mark.parametrize("box", BOXES)
def test_energy_and_induced_charges_are_the_equations(box):
    """U_flow = -1/2 sum f (Phi_i - Phi_j)^2, with Phi' as the derivative of the permanent energy by the charges."""
    cell = BOXES[box]
    r = atoms(cell)
    moments = model(cell)(r)
    flows = moments.flows
    without = Multipoles(moments.charges.detach().requires_grad_(), moments.dipoles.detach())
    permanent = energy(r, without, cell)
    (phi,) = torch.autograd.grad(permanent, without.charges)
    with_alpha = energy(r, dataclasses.replace(moments, flows=None), cell)
    result = electrostatic_energy(r, moments, cell, **OPTIONS)
    i, j = flows.pairs
    drop = phi[i] - phi[j]
    expected = -0.5 * (flows.conductance * drop**2).sum()
    assert abs(expected) > 1e-3
    torch.testing.assert_close(result.energy - with_alpha, expected, rtol=1e-8, atol=1e-10)
    dq = torch.zeros_like(phi)
    for a, b, p in zip(i.tolist(), j.tolist(), (-flows.conductance * drop).tolist(), strict=True):
        dq[a] += p
        dq[b] -= p
    torch.testing.assert_close(result.induced_charges, dq, rtol=1e-8, atol=1e-10)
    assert abs(float(result.induced_charges.detach().sum())) < 1e-14


@pytest.mark.parametrize("box", BOXES)
def test_derivatives(box):
    """dU/df = -1/2 (Phi_i - Phi_j)^2 and dU/dq = Phi' + Phi_ind (theory.md section 4, with this dq); forces by differences."""
    cell = BOXES[box]
    r = atoms(cell)
    moments = model(cell)(r)
    f = moments.flows.conductance.detach().requires_grad_()
    q = moments.charges.detach().requires_grad_()
    fixed = moments.detach()
    fixed = dataclasses.replace(fixed, charges=q, flows=dataclasses.replace(fixed.flows, conductance=f))
    result = electrostatic_energy(r, fixed, cell, **OPTIONS)
    by_f, by_q = torch.autograd.grad(result.energy, [f, q])
    i, j = fixed.flows.pairs
    drop = (result.potential[i] - result.potential[j]).detach()
    torch.testing.assert_close(by_f, -0.5 * drop**2, rtol=1e-9, atol=1e-12)
    induced = Multipoles(result.induced_charges.detach(), result.induced_dipoles.detach())
    phi_induced = electrostatic_energy(r, induced, cell, **OPTIONS).potential
    torch.testing.assert_close(by_q, result.potential.detach() + phi_induced, rtol=1e-8, atol=1e-9)

    whole = model(cell)
    x = r.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(x, whole(x), cell), x)
    h = 1e-4
    for atom, a in ((0, 0), (4, 1), (8, 2)):
        step = torch.zeros_like(r)
        step[atom, a] = h
        up, down = (energy(r + s * step, whole(r + s * step), cell) for s in (1, -1))
        torch.testing.assert_close(gradient[atom, a], (up - down) / (2 * h), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("box", ["cubic", "triclinic"])
def test_stress(box):
    cell, direction = BOXES[box], torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=F64)
    r, whole = atoms(cell), model(cell)

    def strained(s):
        deform = torch.eye(3, dtype=F64) + s * direction
        return energy(r @ deform, whole(r @ deform, cell @ deform), cell @ deform)

    s = torch.zeros((), dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(strained(s), s)
    h = 1e-5
    torch.testing.assert_close(slope, (strained(h) - strained(-h)) / (2 * h), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("method", ["pme", "ewald"])
def test_mesh_and_dense_sum(box, method):
    cell = BOXES[box]
    if cell is None:
        pytest.skip("a cluster is summed directly")
    r = atoms(cell)
    moments = model(cell)(r)
    dense = electrostatic_energy(r, moments, cell, accuracy=1e-12, method="ewald")
    other = electrostatic_energy(r, moments, cell, accuracy=1e-6, method=method)
    torch.testing.assert_close(
        other.induced_flows, dense.induced_flows, rtol=0, atol=1e-5 * float(dense.induced_flows.abs().max())
    )


def test_a_constant_potential_and_far_molecules_exchange_nothing():
    """Two neutral molecules far apart: each keeps its charge, which softness would not."""
    r = torch.cat([atoms(None), atoms(None) + 30.0])
    halves = model(None)

    def both(x):
        first, second = halves(x[:9]), halves(x[9:])
        a, b = first.flows, second.flows
        flows = Flows(
            torch.cat([a.pairs, b.pairs + 9], 1),
            *(
                torch.cat([getattr(a, n), getattr(b, n)])
                for n in ("vectors", "charges", "local_charges", "conductance")
            ),
        )
        members = {name: torch.cat([value, getattr(second, name)]) for name, value in first.members()}
        return Multipoles(**members, flows=flows)

    result = electrostatic_energy(r, both(r), **OPTIONS)
    assert float(result.induced_charges[:9].abs().max()) > 1e-3
    assert abs(float(result.induced_charges[:9].sum())) < 1e-15


@pytest.mark.parametrize("box", BOXES)
def test_the_field_is_a_potential_energy(box):
    """-dU/dE0 is P, with the induced part once: U(E0) is quadratic, in boxes too; forces are its gradient."""
    cell = BOXES[box]
    r, whole = atoms(cell), model(cell)
    field = torch.tensor([0.3, -0.2, 0.5], dtype=F64, requires_grad=True)
    result = electrostatic_energy(r, whole(r), cell, external_field=field, eps_inf=1.78, **OPTIONS)
    (slope,) = torch.autograd.grad(result.energy, field)
    P = polarization(r, whole, cell, external_field=field, eps_inf=1.78, **OPTIONS)
    torch.testing.assert_close(-slope, P.value, rtol=1e-9, atol=1e-9)

    def rows(E):
        return polarization(r, whole, cell, external_field=E, eps_inf=1.78, **OPTIONS).value

    alpha = torch.autograd.functional.jacobian(rows, field.detach())
    total = polarizability(r, whole(r), cell, eps_inf=1.78)
    torch.testing.assert_close(alpha, total.value, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("total", [0.0, 1.0])
@pytest.mark.parametrize("box", BOXES)
def test_born_charges(box, total):
    """dP/dr by finite differences of P, in boxes without any rule on images, and the acoustic sum rule exactly."""
    cell = BOXES[box]
    r, whole = atoms(cell), model(cell, total=total)
    born = born_effective_charges(r, whole, cell, eps_inf=1.78, **OPTIONS)

    def latent(x):  # the scaling is a constant of the medium
        P = polarization(x, whole, cell, eps_inf=1.78, **OPTIONS)
        return P.value / P.scaling

    h = 1e-4
    for atom, b in ((0, 0), (4, 1), (8, 2)):
        step = torch.zeros_like(r)
        step[atom, b] = h
        expected = born.scaling * (latent(r + step) - latent(r - step)) / (2 * h)
        torch.testing.assert_close(born.value[atom, :, b], expected, rtol=1e-5, atol=1e-6)
    expected = total * born.scaling * torch.eye(3, dtype=F64)
    torch.testing.assert_close(born.value.sum(0), expected, rtol=0, atol=1e-10)
    # In a field the forces at fixed moments and those of the moments together are Z* E0, which is what dF/dE0 means.
    x = r.clone().requires_grad_()

    def force(field):
        E = torch.tensor(field, dtype=F64)
        U = energy(x, whole(x), cell, external_field=E, eps_inf=1.78)
        return -torch.autograd.grad(U, x)[0]

    response = (force([1e-3, 0.0, 0.0]) - force([-1e-3, 0.0, 0.0])) / 2e-3
    torch.testing.assert_close(response, born.value[:, 0], rtol=1e-5, atol=1e-6)


def test_born_charges_take_no_pass_for_each_atom(monkeypatch):
    """With constant charges before the transfers: three backward passes, whatever the number of atoms."""
    passes = []
    of_value = born_charges.position_gradient
    for module in (born_charges, response):
        monkeypatch.setattr(module, "position_gradient", lambda *given: passes.append(1) or of_value(*given))
    cell = BOXES["cubic"]
    born_effective_charges(atoms(cell), model(cell), cell, **OPTIONS)
    assert len(passes) == 3


def test_born_charges_with_local_charges_that_move():
    """In a box wide enough for nearest images: where local charges are conserved the sum rule holds with them too."""
    cell = 9.0 * torch.eye(3, dtype=F64)
    r, whole = atoms(cell), model(cell, formal=False)
    born = born_effective_charges(r, whole, cell, **OPTIONS)
    without = born_effective_charges(r, whole, cell, induced_charges=False, **OPTIONS)
    assert float((born.value - without.value).abs().max()) > 1e-3


@pytest.mark.parametrize("box", ["cubic", "triclinic"])
def test_wrapping_atoms_changes_nothing(box):
    """But the part of the formal charges, which is q0 times the box vector."""
    cell = BOXES[box]
    r, whole = atoms(cell), model(cell)
    moved = r.clone()
    moved[2] += cell[1]
    torch.testing.assert_close(energy(moved, whole(moved), cell), energy(r, whole(r), cell), rtol=1e-10, atol=1e-10)
    jump = polarization(moved, whole, cell, **OPTIONS).value - polarization(r, whole, cell, **OPTIONS).value
    scaling = polarization(r, whole, cell, **OPTIONS).scaling
    torch.testing.assert_close(jump, scaling * whole(r).flows.local_charges[2] * cell[1], rtol=1e-9, atol=1e-9)


def test_screening_counts_flows():
    cell = BOXES["cubic"]
    r = atoms(cell)
    moments = model(cell)(r)
    f, d = moments.flows.conductance, moments.flows.vectors
    chi = (
        4 * math.pi * COULOMB * (moments.polarizability.sum() + (f * (d**2).sum(1)).sum() / 3) / torch.linalg.det(cell)
    )
    result = electrostatic_energy(r, moments, cell, eps_inf=1.78, **OPTIONS)
    torch.testing.assert_close(result.scaling, torch.sqrt(1.78 * (1 - chi)), rtol=1e-10, atol=0)


def test_batch_is_one_by_one():
    boxes = [BOXES["cubic"], BOXES["triclinic"], BOXES["cubic"]]
    pieces = [model(box)(atoms(box)) for box in boxes]
    flows = [piece.flows for piece in pieces]
    joined = Flows(
        torch.cat([f.pairs + 9 * k for k, f in enumerate(flows)], 1),
        *(torch.cat([getattr(f, n) for f in flows]) for n in ("vectors", "charges", "local_charges", "conductance")),
    )
    members = {n: torch.cat([getattr(p, n) for p in pieces]) for n in ("charges", "dipoles", "polarizability")}
    batch = torch.arange(3).repeat_interleave(9)
    field = torch.tensor([0.1, 0.2, -0.1], dtype=F64)
    together = electrostatic_energy(
        torch.cat([atoms(box) for box in boxes]),
        Multipoles(**members, flows=joined),
        torch.stack(boxes),
        batch=batch,
        external_field=field,
        **OPTIONS,
    )
    for k, box in enumerate(boxes):
        alone = electrostatic_energy(atoms(box), pieces[k], box, external_field=field, **OPTIONS)
        torch.testing.assert_close(together.energy[k], alone.energy, rtol=1e-9, atol=1e-9)


def test_second_derivatives():
    """What training differentiates: the gradient of a function of the forces, by differences."""
    cell = BOXES["triclinic"]
    r, whole = atoms(cell), model(cell)

    def loss(scale):
        x = r.clone().requires_grad_()
        moments = whole(x)
        moments = dataclasses.replace(
            moments, flows=dataclasses.replace(moments.flows, conductance=scale * moments.flows.conductance)
        )
        (gradient,) = torch.autograd.grad(energy(x, moments, cell), x, create_graph=True)
        return gradient.square().sum()

    scale = torch.ones((), dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(scale), scale)
    h = 1e-4
    torch.testing.assert_close(slope, (loss(1 + h) - loss(1 - h)) / (2 * h), rtol=1e-6, atol=1e-8)


def test_bad_input():
    r = atoms(None)
    moments = model(None)(r)
    flows = moments.flows
    negative = dataclasses.replace(flows, conductance=-flows.conductance)
    with pytest.raises(ValueError, match=r"conductance is -.* between atoms .* numbers >= 0"):
        energy(r, dataclasses.replace(moments, flows=negative), None)
    far = dataclasses.replace(flows, pairs=flows.pairs + 1)
    with pytest.raises(ValueError, match="pairs of flows has the atoms 1 to 9; 0 to 8 are accepted"):
        energy(r, dataclasses.replace(moments, flows=far), None)
    with pytest.raises(ValueError, match="charges of flows is NaN or infinite"):
        energy(
            r, dataclasses.replace(moments, flows=dataclasses.replace(flows, charges=flows.charges * math.nan)), None
        )
    with pytest.raises(ValueError, match=r"conductance of flows has shape \[3\]; \[\d+\] is accepted"):
        dataclasses.replace(flows, conductance=torch.ones(3, dtype=F64))
    with pytest.raises(ValueError, match="local_charges of flows has 9 atoms; 8, as charges has, are accepted"):
        Multipoles(moments.charges[:8], flows=flows)
    with pytest.raises(ValueError, match="cannot be divided"):
        moments[:3]
