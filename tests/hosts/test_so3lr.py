"""SO3LR as a network: symmetries, images, batches, and forces through the plugin. Its numbers: test_so3lr_package.py."""

import math

import numpy as np
import openmm
import pytest
import torch
from support.host_structures import arguments, box, cluster, ion, short_range
from support.platforms import CPU, REFERENCE, PlatformChoice, usable
from support.systems import energy_and_forces, make_system

from openmm_polarmp import PolarMPForce, load_model
from openmm_polarmp.hosts.so3lr import SO3LRConfig
from openmm_polarmp.hosts.so3lr.harmonics import spherical_harmonics
from openmm_polarmp.neighbors import batched_pairs


@pytest.fixture(scope="module")
def model():
    return load_model("so3lr").double()


def test_spherical_harmonics():
    """Legendre polynomials by the addition theorem, which also says that each degree is normalized."""
    vectors = torch.randn(2, 50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a, b = vectors / vectors.norm(dim=2, keepdim=True)
    cosine, start = (a * b).sum(1), 0
    legendre = np.polynomial.legendre.Legendre
    for degree in (1, 2, 3, 4):
        size = 2 * degree + 1
        of_a, of_b = (spherical_harmonics(x, (1, 2, 3, 4))[:, start : start + size] for x in (a, b))
        expected = size / (4 * math.pi) * legendre.basis(degree)(cosine.numpy())
        np.testing.assert_allclose((of_a * of_b).sum(1).numpy(), expected, atol=1e-12)
        assert torch.equal(spherical_harmonics(a, (degree,)), of_a)
        start += size


@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "rotation and inversion"])
@pytest.mark.parametrize("make", [cluster, box])
def test_rotations_and_inversion(model, make, sign):
    atoms = make()
    matrix = sign * np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = atoms.copy()
    turned.set_cell(np.array(atoms.cell) @ matrix)
    turned.positions = atoms.positions @ matrix
    energy, forces, charges = short_range(model, atoms)
    e, f, q = short_range(model, turned)
    assert e == pytest.approx(energy, rel=1e-12)
    np.testing.assert_allclose(f, forces @ matrix, atol=1e-9)
    np.testing.assert_allclose(q, charges, atol=1e-11)


def test_a_small_box_is_its_copies(model):
    """Two molecules whose images are their neighbours, beside 27 copies of them in one box."""
    atoms = box()
    assert atoms.cell.cellpar()[:3].min() < model.network.config.network_cutoff
    energy, forces, charges = short_range(model, atoms)
    e, f, q = short_range(model, atoms.repeat(3))
    assert e == pytest.approx(27 * energy, rel=1e-12)
    np.testing.assert_allclose(f, np.tile(forces, (27, 1)), atol=1e-9)
    np.testing.assert_allclose(q, np.tile(charges, 27), atol=1e-11)


def test_a_batch_equals_single_structures(model):
    structures = [cluster(), box(), ion(), ion()]
    charge, multiplicity = torch.tensor([0.0, 0, -1, 1]), torch.tensor([1, 1, 1, 3])
    parts = [arguments(atoms) for atoms in structures]
    batch = torch.repeat_interleave(torch.arange(4), torch.tensor([len(s) for s in structures]))
    cells = torch.stack([torch.eye(3, dtype=torch.float64) if cell is None else cell for _, _, cell in parts])
    positions = torch.cat([p.detach() for p, _, _ in parts]).requires_grad_(True)
    energies, multipoles = model.multipoles(
        positions,
        torch.cat([z for _, z, _ in parts]),
        cells,
        pbc=torch.tensor([False, True, False, False]),
        batch=batch,
        total_charge=charge,
        multiplicity=multiplicity,
    )
    (slope,) = torch.autograd.grad(energies.sum(), positions)
    for k, atoms in enumerate(structures):
        energy, forces, charges = short_range(
            model, atoms, total_charge=float(charge[k]), multiplicity=int(multiplicity[k])
        )
        inside = batch == k
        assert energies[inside].sum().item() == pytest.approx(energy, rel=1e-12)
        np.testing.assert_allclose(-slope[inside].numpy(), forces, atol=1e-10)
        np.testing.assert_allclose(multipoles.charges[inside].detach().numpy(), charges, atol=1e-12)
        assert charges.sum() == pytest.approx(float(charge[k]), abs=1e-12)


def test_far_atoms_do_not_interact_without_electrostatics(model):
    """Pairs beyond the dispersion's range have no energy, and it goes to zero smoothly."""
    atoms = ion()
    other = atoms.copy()
    edge = model.cutoff - (atoms.positions[:, 0].max() - atoms.positions[:, 0].min())
    energies = []
    for gap in (edge + 10, model.cutoff + 1e-3, model.cutoff - 1e-2):
        other.positions = atoms.positions + np.array([np.ptp(atoms.positions[:, 0]) + gap, 0, 0])
        energies.append(short_range(model, atoms + other)[0])
    single = short_range(model, atoms)[0]
    assert energies[0] == energies[1] == pytest.approx(2 * single, rel=1e-13)
    assert energies[2] == pytest.approx(energies[1], abs=1e-9)


def test_energies_of_single_atoms():
    """The kind of energy: with or without the offset of the training data, 163.6 eV for each atom."""
    atoms = cluster()
    energies = []
    for interaction in (True, False):
        force = PolarMPForce("so3lr", atomic_numbers=atoms.numbers.tolist(), interaction_energy=interaction)
        context = REFERENCE.context(make_system(len(atoms), None, force), positions=0.1 * atoms.positions)
        energies.append(energy_and_forces(context)[0] / 96.48533212)
    shift = load_model("so3lr").network.energy_shift[0].item()
    assert shift == pytest.approx(-163.618, abs=1e-3)
    assert energies[1] - energies[0] == pytest.approx(len(atoms) * shift, abs=1e-6)


def make_context(atoms, platform: PlatformChoice, **options) -> openmm.Context:
    force = PolarMPForce("so3lr", atomic_numbers=atoms.numbers.tolist(), precision="double", **options)
    force.setNonbondedMethod(PolarMPForce.PME if atoms.pbc.all() else PolarMPForce.NoCutoff)
    force.setEwaldErrorTolerance(1e-5)
    cell = np.array(atoms.cell) if atoms.pbc.all() else None
    return platform.context(make_system(len(atoms), cell, force), positions=0.1 * atoms.positions)


@pytest.mark.parametrize("platform", [REFERENCE, CPU, PlatformChoice("OpenCL", "double")], ids=str)
@pytest.mark.parametrize("make", [ion, box])
def test_forces_by_finite_differences(make, platform):
    """Through network, repulsion, dispersion and kernel, along random directions."""
    atoms = make()
    # The mesh of the CPU platform is of single precision: larger steps, of which the errors are of fourth order.
    step, tolerance = (1e-4, 1e-4) if platform == CPU else (2e-5, 1e-6)  # nm
    context = make_context(atoms, usable(platform), total_charge=0.0 if atoms.pbc.all() else -1.0)
    forces = energy_and_forces(context)[1]
    for direction in np.random.default_rng(0).normal(size=(2, len(atoms), 3)):
        slope = 0.0
        for steps, weight in ((-2, -1), (-1, 8), (1, -8), (2, 1)):
            context.setPositions(0.1 * atoms.positions + steps * step * direction)
            slope += weight * energy_and_forces(context)[0] / (12 * step)
        scale = np.linalg.norm(forces) * np.linalg.norm(direction)
        assert slope == pytest.approx((forces * direction).sum(), abs=tolerance * scale)


@pytest.mark.parametrize("make", [ion, box])
def test_the_plugin_gives_what_torch_gives(model, make):
    atoms = make()
    charge = 0.0 if atoms.pbc.all() else -1.0
    leaf, *others = arguments(atoms)
    result = model.evaluate(leaf, *others, total_charge=charge)
    (slope,) = torch.autograd.grad(result.energy, leaf)
    energy, forces = energy_and_forces(make_context(atoms, REFERENCE, total_charge=charge, interaction_energy=False))
    assert energy == pytest.approx(result.energy.item() * 96.48533212, rel=1e-9)
    np.testing.assert_allclose(forces, -slope.numpy() * 964.8533212, atol=1e-3 * abs(forces).max())


def test_pairs_may_come_with_more(model):
    """A list that was not cut holds farther pairs, which change nothing."""
    leaf, species, cell = arguments(box())
    results = []
    for reach in (model.cutoff, model.cutoff + 0.5):
        results.append(model.network(leaf, species, *batched_pairs(leaf, reach, cell), cell))
    torch.testing.assert_close(results[1][0], results[0][0], rtol=0, atol=1e-12)
    torch.testing.assert_close(results[1][1].charges, results[0][1].charges, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"species": (8, 1)}, r"species is \(8, 1\); ascending"),
        ({"degrees": (0, 1)}, r"degrees is \(0, 1\); ascending ones from 1 to 4"),
        ({"dispersion_cutoff": -1.0}, "dispersion_cutoff is -1.0; a positive number"),
        ({"dispersion_switch": 13.0}, "dispersion_switch is 13.0; a length in A up to"),
        ({"features": 30}, "features is 30; positive multiples of 4"),
        ({"heads": 3}, "features is 128; a multiple of the number of heads, 3"),
    ],
)
def test_configurations_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        SO3LRConfig(**{"species": (1, 8), **changes})


def test_unknown_entries_of_a_configuration():
    with pytest.raises(ValueError, match=r"unknown entries \['colour'\]"):
        SO3LRConfig.from_dict({"species": [1, 8], "colour": "red"})
