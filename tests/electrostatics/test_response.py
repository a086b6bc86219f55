"""Polarization, Born charges and polarizability: what theory.md section 6 says must agree with what."""

import dataclasses
import itertools
import math

import pytest
import torch

from openmm_polarmp.electrostatics import (
    Multipoles,
    Mutual,
    born_effective_charges,
    electrostatic_energy,
    polarizability,
    polarization,
)

F64 = torch.float64
COULOMB = 14.3996454784255
CUTOFF = 3.0
RUNGS = ("q", "qu", "quQ", "qu+k", "qu+a", "qu+ka", "quQ+ka")
WATER = torch.tensor(
    [[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [0, 0.2, 2.6], [0.8, 0.3, 3.1], [-0.7, 0.5, 3.2]], dtype=F64
)


def nearest_image(d, cell):
    """By brute force over the neighbouring cells, in whatever way they are given."""
    if cell is None:
        return d
    steps = torch.tensor(list(itertools.product(range(-3, 4), repeat=3)), dtype=F64) @ cell
    images = d[..., None, :] + steps
    nearest = (images**2).sum(-1).argmin(-1)
    return torch.gather(images, -2, nearest[..., None, None].expand(*nearest.shape, 1, 3))[..., 0, :]


def toy_network(n, cell=None, rung="quQ+ka", seed=0):
    """Moments from neighbours within a cutoff. Charge only flows between neighbours: the total is conserved."""
    g = torch.Generator().manual_seed(seed)
    pull = torch.randn(n, generator=g, dtype=F64)
    strength = 0.5 + torch.rand(n, generator=g, dtype=F64)
    start = torch.randn(n, generator=g, dtype=F64)
    start = 0.3 * (start - start.mean())

    def multipoles(r):
        d = nearest_image(r[:, None] - r[None], cell)
        d2 = (d**2).sum(2) + 10 * CUTOFF**2 * torch.eye(n, dtype=F64)
        f = torch.exp(-d2 / 2) * (1 - d2 / CUTOFF**2).clamp_min(0) ** 3
        axial = (f[:, :, None, None] * d[:, :, :, None] * d[:, :, None, :]).sum(1)
        members = {"charges": start + 0.4 * ((pull[:, None] - pull[None]) * f).sum(1)}
        if "u" in rung:
            members["dipoles"] = 0.3 * strength[:, None] * (f[:, :, None] * d).sum(1)
        if "Q" in rung:
            members["quadrupoles"] = 0.4 * axial
        response = rung.partition("+")[2]
        if "k" in response:
            members["softness"] = 0.01 * strength * (1 + f.sum(1))
        if "a" in response:
            members["polarizability"] = 0.03 * strength[:, None, None] * torch.eye(3, dtype=F64) + 0.02 * axial
        return Multipoles(**members)

    return multipoles


def field_response(value, r, field):
    """d(value)/d(field) by autograd, one row per component of the value."""
    return torch.stack([torch.autograd.grad(v, field, retain_graph=True)[0] for v in value])


@pytest.mark.parametrize("rung", RUNGS)
def test_cluster_born_charges_are_finite_differences_of_the_polarization(rung):
    network = toy_network(6, rung=rung)
    born = born_effective_charges(WATER, network, eps_inf=1.5)
    assert born.scaling == pytest.approx(math.sqrt(1.5))
    h = 1e-4
    for atom, b in ((0, 0), (1, 1), (3, 2), (5, 0)):
        step = torch.zeros_like(WATER)
        step[atom, b] = h
        up, down = (polarization(WATER + s * step, network, eps_inf=1.5).value for s in (1, -1))
        torch.testing.assert_close(born.value[atom, :, b], (up - down) / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rung", ["quQ", "qu+a"])
def test_born_charges_of_a_neutral_cluster_sum_to_zero(rung):
    born = born_effective_charges(WATER, toy_network(6, rung=rung)).value
    assert born.abs().max() > 0.1
    torch.testing.assert_close(born.sum(0), torch.zeros(3, 3, dtype=F64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rung", RUNGS)
def test_polarization_is_the_derivative_of_the_energy_by_the_field(rung):
    """dU/dE0 = -P for clusters, with dq counted from r_c, and the forces' dF/dE0 is the derivative of that P."""
    network, eps_inf = toy_network(6, rung=rung, seed=3), 1.3
    r = WATER.clone().requires_grad_()
    field = torch.tensor([0.02, -0.01, 0.03], dtype=F64, requires_grad=True)
    moments = network(r)
    result = electrostatic_energy(r, moments, external_field=field, eps_inf=eps_inf)
    (by_field,) = torch.autograd.grad(result.energy, field, create_graph=True)
    P, s = polarization(r, network, external_field=field, eps_inf=eps_inf)
    if moments.softness is not None:
        centre = (moments.softness[:, None] * r).sum(0) / moments.softness.sum()
        P = P - s * centre * result.induced_charges.sum()
    torch.testing.assert_close(-by_field, P, rtol=1e-11, atol=1e-12)
    (force,) = torch.autograd.grad(result.energy, r, create_graph=True)
    by_force = torch.stack([field_response(-f, r, field) for f in force])  # [N, b, a]
    born = torch.stack([torch.autograd.grad(P[a], r, retain_graph=True)[0] for a in range(3)])
    torch.testing.assert_close(by_force, born.permute(1, 2, 0), rtol=1e-9, atol=1e-11)
    if moments.softness is None:
        z = born_effective_charges(WATER, network, eps_inf=eps_inf, external_field=field.detach()).value
        torch.testing.assert_close(z, by_force.detach().mT, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("rung", ["qu", "qu+k", "qu+a", "quQ+ka"])
def test_polarizability_of_a_cluster(rung):
    """alpha_tot = dP/dE0 = -d2U/dE0^2; without softness it is eps_e sum alpha."""
    moments = toy_network(6, rung=rung)(WATER)
    field = torch.tensor([0.1, 0.2, -0.3], dtype=F64, requires_grad=True)
    value, scaling = polarizability(WATER, moments, eps_inf=1.4)
    P = polarization(WATER, moments, external_field=field, eps_inf=1.4).value
    if rung != "qu":
        torch.testing.assert_close(field_response(P, WATER, field), value, rtol=1e-11, atol=1e-13)
    energy = electrostatic_energy(WATER, moments, external_field=field, eps_inf=1.4).energy
    (first,) = torch.autograd.grad(energy, field, create_graph=True)
    if rung != "qu":
        torch.testing.assert_close(-field_response(first, WATER, field), value, rtol=1e-11, atol=1e-13)
    if "k" not in rung:
        torch.testing.assert_close(value, 1.4 * moments.polarizability_tensor().sum(0), rtol=1e-12, atol=0)
    else:
        without = polarizability(WATER, moments, eps_inf=1.4, induced_charges=False).value
        torch.testing.assert_close(without, 1.4 * moments.polarizability_tensor().sum(0), rtol=1e-12, atol=0)
        assert torch.linalg.eigvalsh(value - without).min() > -1e-12  # flow of charge can only add
    assert scaling == pytest.approx(math.sqrt(1.4))


def test_kappa_in_a_field_does_not_depend_on_the_origin():
    network = toy_network(6, rung="qu+ka")
    field = torch.tensor([0.3, -0.2, 0.1], dtype=F64)
    here = electrostatic_energy(WATER, network(WATER), external_field=field)
    moved = WATER + torch.tensor([5.0, -7.0, 11.0])
    there = electrostatic_energy(moved, network(moved), external_field=field)
    torch.testing.assert_close(there.energy, here.energy, rtol=1e-11, atol=0)  # neutral: q.r does not either
    torch.testing.assert_close(there.induced_charges, here.induced_charges, rtol=1e-9, atol=1e-13)


def test_field_energy_against_the_independent_implementation(oracle):
    field, eps_inf = torch.tensor([0.3, -0.2, 0.1], dtype=F64), 1.78
    cell = oracle.cells["triclinic"]
    for box in (None, cell):
        r = torch.rand(5, 3, dtype=F64, generator=torch.Generator().manual_seed(8)) @ cell
        m = oracle.random_multipoles(5)
        chi = 0.0
        if box is not None:
            isotropic = m.polarizability.diagonal(dim1=1, dim2=2).sum() / 3
            chi = 4 * math.pi * oracle.KE * isotropic / torch.linalg.det(box)
        s = math.sqrt(eps_inf / (1 + chi))
        leaves, r1, m1, _ = oracle.leaves(r, m)
        expected_leaves, r2, m2, _ = oracle.leaves(r, m)
        method = {"method": "ewald", "accuracy": 1e-13} if box is not None else {}
        result = electrostatic_energy(r1, m1, box, external_field=field, eps_inf=eps_inf, **method)
        expected = oracle.energy(r2, m2, box, field=field, scaling=s).energy
        assert result.scaling == pytest.approx(float(s), rel=1e-12)
        torch.testing.assert_close(result.energy, expected, rtol=1e-10, atol=0)
        for a, b in zip(
            torch.autograd.grad(result.energy, leaves), torch.autograd.grad(expected, expected_leaves), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


BOXES = {
    "orthorhombic": [[7.0, 0, 0], [0, 8.0, 0], [0, 0, 7.5]],
    "strongly triclinic": [[7.0, 0, 0], [10.0, 7.5, 0], [-14.0, 9.0, 7.0]],
    "left-handed": [[0, 7.2, 0.5], [7.4, 1.3, 0], [2.4, 0, 7.5]],
}


@pytest.mark.parametrize("induced", [False, True])
@pytest.mark.parametrize("shape", BOXES)
def test_born_charges_in_a_box_are_differences_between_nearest_images(shape, induced):
    """dP of one displaced atom, every change of charge seen from where the atom was."""
    cell = torch.tensor(BOXES[shape], dtype=F64)
    r = torch.rand(7, 3, dtype=F64, generator=torch.Generator().manual_seed(4)) @ cell
    network = toy_network(7, cell)
    options = {"eps_inf": 1.78, "method": "ewald", "accuracy": 1e-10}
    born = born_effective_charges(r, network, cell, induced_charges=induced, **options)

    def charges_and_dipole(x):
        moments = network(x)
        result = electrostatic_energy(x, moments, cell, **options)
        q = moments.charges + result.induced_charges * induced
        return q, (moments.dipoles + result.induced_dipoles).sum(0)

    h = 1e-4
    q = charges_and_dipole(r)[0]
    q = q - q.mean()  # the network's charges sum to zero
    for atom, b in ((0, 0), (2, 1), (6, 2)):
        step = torch.zeros_like(r)
        step[atom, b] = h
        (q_up, mu_up), (q_down, mu_down) = charges_and_dipole(r + step), charges_and_dipole(r - step)
        arm = nearest_image(r - r[atom], cell)
        moved = q_up - q_down
        expected = ((moved - moved.mean()) @ arm + mu_up - mu_down) / (2 * h)
        expected[b] += q[atom]
        torch.testing.assert_close(born.value[atom, :, b], born.scaling * expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", BOXES)
def test_born_charges_in_a_box_sum_to_zero(shape):
    """Charge flows between neighbours only, so that nearest images are the right ones for all of it."""
    cell = torch.tensor(BOXES[shape], dtype=F64)
    r = torch.rand(8, 3, dtype=F64, generator=torch.Generator().manual_seed(4)) @ cell
    network = toy_network(8, cell, rung="quQ+a")
    transfer = born_effective_charges(r, toy_network(8, cell, rung="q"), cell).value
    assert transfer.std() > 0.1
    born = born_effective_charges(r, network, cell, method="ewald").value
    torch.testing.assert_close(born.sum(0), torch.zeros(3, 3, dtype=F64), rtol=0, atol=1e-11)


def test_born_charges_in_a_box_are_the_forces_in_a_field():
    """For atoms whose neighbours all lie in the same cell the given positions are the nearest images."""
    cell = torch.tensor([[14.0, 0, 0], [3.0, 14.0, 0], [-2.0, 4.0, 15.0]], dtype=F64)
    network = toy_network(6, cell, rung="quQ+a")
    r = (WATER + 6.0).requires_grad_()
    field = torch.zeros(3, dtype=F64, requires_grad=True)
    options = {"eps_inf": 1.78, "method": "ewald", "accuracy": 1e-10}
    energy = electrostatic_energy(r, network(r), cell, external_field=field, **options).energy
    (force,) = torch.autograd.grad(-energy, r, create_graph=True)
    by_force = torch.stack([field_response(f, r, field) for f in force]).mT
    born = born_effective_charges(r, network, cell, **options)
    torch.testing.assert_close(born.value, by_force, rtol=1e-8, atol=1e-10)
    # and the energy's slope is the polarization of the unwrapped positions
    (slope,) = torch.autograd.grad(energy, field)
    torch.testing.assert_close(-slope, polarization(r, network, cell, **options).value, rtol=1e-10, atol=1e-12)


def test_born_charges_of_a_molecule_in_growing_boxes():
    """The box changes them by the images' field only, which falls with the third power of the edge."""
    alone = born_effective_charges(WATER, toy_network(6, rung="quQ+a")).value
    errors = []
    for edge in (16.0, 32.0):
        cell = edge * torch.eye(3, dtype=F64)
        network = toy_network(6, cell, rung="quQ+a")
        value, s = born_effective_charges(WATER, network, cell, accuracy=1e-9, method="ewald")
        errors.append(float((value / s - alone).norm()))
    assert errors[0] < 0.05 * float(alone.norm())
    assert errors[0] / errors[1] == pytest.approx(8, rel=0.2)


@pytest.mark.parametrize("mutual", [None, Mutual()], ids=["one step", "mutual"])
def test_slow_wave(mutual):
    """eps_e / eps_inf is what a response leaves of the energy of a slow longitudinal wave.

    The wave is one of dipoles on one lattice, and another lattice responds. Charges are so broad that the lattices are a
    continuum, in which there is no field but that of the wave.
    """
    sigma, spacing, alpha, amplitude = 3.0, 2.0, 0.02, 0.1
    cell = torch.diag(torch.tensor([24.0, 6.0, 6.0], dtype=F64))
    axes = [spacing * torch.arange(round(float(cell[i, i]) / spacing), dtype=F64) for i in range(3)]
    sites = torch.cartesian_prod(*axes)
    positions = torch.cat([sites, sites + spacing / 2])
    n, k, volume = len(sites), 2 * math.pi / 24, 24 * 6 * 6
    dipoles = torch.zeros(2 * n, 3, dtype=F64)
    dipoles[:n, 0] = amplitude * torch.cos(k * sites[:, 0])
    responding = torch.cat([torch.zeros(n, dtype=F64), torch.full((n,), alpha, dtype=F64)])
    moments = Multipoles(charges=torch.zeros(2 * n, dtype=F64), dipoles=dipoles, polarizability=responding)
    options = {"method": "ewald", "accuracy": 1e-6, "sigma": sigma}
    energies = [
        electrostatic_energy(positions, m, cell, mutual=mutual, **options).energy
        for m in (moments, dataclasses.replace(moments, polarizability=None))
    ]
    at_this_length = math.exp(-(sigma**2) * k**2 / 2)  # of a wave in the kernel, compared with a slower one
    density = n * amplitude / volume
    of_wave = 0.5 * volume * 4 * math.pi * COULOMB * at_this_length * density**2 / 2
    left = 1 + float(energies[0] - energies[1]) / of_wave
    weaker = dataclasses.replace(moments, polarizability=at_this_length * responding)
    scaling = electrostatic_energy(positions, weaker, cell, mutual=mutual, eps_inf=1.78, **options).scaling
    assert float(scaling) ** 2 / 1.78 == pytest.approx(left, rel=1e-6 if mutual is None else 2e-3)
    assert 0.5 < left < 0.8


def test_a_response_that_screens_more_than_a_field():
    moments = toy_network(6, rung="qu+a")(WATER)
    cell = 5.0 * torch.eye(3, dtype=F64)
    field = torch.tensor([0.1, 0, 0], dtype=F64)
    moments = dataclasses.replace(moments, polarizability=5 * moments.polarizability)
    assert electrostatic_energy(WATER, moments, cell).scaling.isnan()
    with pytest.raises(ValueError, match="external_field is given, and the polarizability of a box is so large"):
        electrostatic_energy(WATER, moments, cell, external_field=field)
    assert electrostatic_energy(WATER, moments, cell, external_field=field, mutual=Mutual()).scaling < 1


def test_polarizability_in_a_box():
    """s^2 sum alpha, s from eps_inf and chi; the field does not act through the softness."""
    cell = torch.tensor(BOXES["left-handed"], dtype=F64)
    moments = toy_network(6, cell)(WATER)
    alpha = moments.polarizability_tensor().sum(0)
    chi = 4 * math.pi * COULOMB * alpha.trace() / 3 / torch.linalg.det(cell).abs()
    value, scaling = polarizability(WATER, moments, cell, eps_inf=1.78)
    torch.testing.assert_close(value, 1.78 / (1 + chi) * alpha, rtol=1e-12, atol=0)
    torch.testing.assert_close(scaling**2, 1.78 / (1 + chi), rtol=1e-12, atol=0)
    field = torch.zeros(3, dtype=F64, requires_grad=True)
    energy = electrostatic_energy(WATER, moments, cell, external_field=field, eps_inf=1.78).energy
    (first,) = torch.autograd.grad(energy, field, create_graph=True)
    torch.testing.assert_close(-field_response(first, WATER, field), value, rtol=1e-11, atol=1e-13)


def test_batch_of_clusters_and_boxes_gives_what_single_calls_give():
    cells = torch.tensor([BOXES["orthorhombic"], BOXES["strongly triclinic"], BOXES["orthorhombic"]], dtype=F64)
    pbc = torch.tensor([True, True, False])
    sizes = [5, 7, 6]
    g = torch.Generator().manual_seed(0)
    positions = [torch.rand(n, 3, dtype=F64, generator=g) @ cells[0] for n in sizes]
    networks = [toy_network(n, cells[b] if pbc[b] else None, seed=b) for b, n in enumerate(sizes)]
    order = torch.randperm(18, generator=g)
    back = torch.argsort(order)
    batch = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes))[order]

    def together(r):
        parts = [network(x) for network, x in zip(networks, r[back].split(sizes), strict=True)]
        columns = [dict(part.members()) for part in parts]
        return Multipoles(**{name: torch.cat([c[name] for c in columns])[order] for name in columns[0]})

    r = torch.cat(positions)[order]
    options = {"eps_inf": 1.78, "accuracy": 1e-9}
    born = born_effective_charges(r, together, cells, batch=batch, pbc=pbc, **options)
    dipole = polarization(r, together, cells, batch=batch, pbc=pbc, **options)
    alpha = polarizability(r, together(r), cells, batch=batch, pbc=pbc, eps_inf=1.78)
    assert born.scaling.shape == dipole.scaling.shape == alpha.scaling.shape == (3,)
    for b, (x, network) in enumerate(zip(positions, networks, strict=True)):
        cell = cells[b] if pbc[b] else None
        single = born_effective_charges(x, network, cell, **options)
        torch.testing.assert_close(born.value[back].split(sizes)[b], single.value, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(born.scaling[b], single.scaling)
        torch.testing.assert_close(
            dipole.value[b], polarization(x, network, cell, **options).value, rtol=1e-8, atol=1e-10
        )
        torch.testing.assert_close(alpha.value[b], polarizability(x, network(x), cell, eps_inf=1.78).value)


def test_fixed_multipoles_and_fixed_charges():
    """Nothing depends on the positions: Z* is the charge, in a charged box too."""
    q = torch.tensor([1.0, -0.5, 0.2], dtype=F64)
    identity = torch.eye(3, dtype=F64)
    r = WATER[:3]
    alone = born_effective_charges(r, Multipoles(q)).value
    torch.testing.assert_close(alone, q[:, None, None] * identity, rtol=1e-12, atol=1e-14)
    in_box = born_effective_charges(r, Multipoles(q), 9.0 * identity).value
    torch.testing.assert_close(in_box, q[:, None, None] * identity, rtol=1e-12, atol=1e-14)
