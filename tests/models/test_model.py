"""PolarMPModel: total charge, energies against a second way to compute them, forces against finite differences."""

import dataclasses

import pytest
import torch

from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy
from openmm_polarmp.models import PolarMPModel, TrainingRange, project_total_charge
from openmm_polarmp.neighbors import batched_pairs, displacements, neighbor_pairs


@pytest.mark.parametrize("total", [None, 0.0, -1.0, 2])
def test_total_charge_of_one_structure(models, total):
    atoms = models.structure()
    model = PolarMPModel(models.make_network())
    raw = models.evaluate(model.network, atoms.positions, atoms.species, atoms.cell)["charges"]
    _, multipoles = model.multipoles(atoms.positions, atoms.species, atoms.cell, total_charge=total)
    charges = multipoles.charges.detach()
    assert raw.sum().abs() > 0.1
    assert float(charges.sum()) == pytest.approx(total or 0.0, abs=1e-13)
    shift = charges - raw.detach()
    torch.testing.assert_close(shift, shift[:1].expand_as(shift))


def test_total_charge_of_each_structure_in_a_batch():
    charges = torch.randn(9, dtype=torch.float64)
    batch = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2])
    target = torch.tensor([1.0, 0.0, -2.0], dtype=torch.float64)
    projected = project_total_charge(charges, target, batch)
    for structure in range(3):
        own = batch == structure
        single = project_total_charge(charges[own], float(target[structure]))
        torch.testing.assert_close(projected[own], single)
        assert float(projected[own].sum()) == pytest.approx(float(target[structure]), abs=1e-14)
    with pytest.raises(ValueError, match="total_charge has 3 values for one structure"):
        project_total_charge(charges, target)


def test_projection_can_be_switched_off(models):
    atoms = models.structure()
    network = models.make_network()
    raw = models.evaluate(network, atoms.positions, atoms.species, atoms.cell)["charges"]
    _, multipoles = PolarMPModel(network, charge_projection=False).multipoles(
        atoms.positions, atoms.species, atoms.cell
    )
    assert torch.equal(multipoles.charges, raw)


def test_energy_is_the_sum_of_its_parts(models):
    atoms = models.structure()
    model = PolarMPModel(models.make_network(), sigma=1.1, accuracy=1e-8)
    out = models.evaluate(model.network, atoms.positions, atoms.species, atoms.cell)
    short = out.pop("energy")
    out["charges"] = out["charges"] - out["charges"].mean() + 1.0 / 9
    long = electrostatic_energy(atoms.positions, Multipoles(**out), atoms.cell, sigma=1.1, accuracy=1e-8).energy
    energy = model.energy(atoms.positions, atoms.species, atoms.cell, total_charge=1.0)
    assert long.abs() > 1e-3
    torch.testing.assert_close(energy, short.sum() + long, rtol=1e-12, atol=0)


def test_short_range_rung_has_no_electrostatics(models):
    atoms = models.structure()
    model = PolarMPModel(models.make_network(rung="sr"))
    assert not model.has_electrostatics
    short = models.evaluate(model.network, atoms.positions, atoms.species, atoms.cell)["energy"].sum()
    torch.testing.assert_close(model.energy(atoms.positions, atoms.species, atoms.cell), short)


@pytest.mark.parametrize("where", ["box", "cluster"])
def test_forces_and_stress_are_derivatives_of_the_energy(models, where):
    """Network and electrostatics together, by central differences."""
    atoms = models.structure(n_atoms=6, cell=models.triclinic if where == "box" else None)
    model = PolarMPModel(models.make_network(polarizability="tensor"), accuracy=1e-10)

    def energy(positions, strain):
        deformation = torch.eye(3, dtype=torch.float64) + strain
        cell = None if atoms.cell is None else atoms.cell @ deformation
        return model.energy(positions @ deformation, atoms.species, cell)

    leaves = [atoms.positions.clone().requires_grad_(), torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)]
    gradients = torch.autograd.grad(energy(*leaves), leaves)
    step = 1e-4
    for which, gradient in enumerate(gradients):
        for index in [(0, 0), (1, 2), (2, 1)]:
            moved = []
            for sign in (1, -1):
                values = [leaf.detach().clone() for leaf in leaves]
                values[which][index] += sign * step
                moved.append(float(energy(*values).detach()))
            # step^2 times a third derivative of order 10: 1e-7
            assert float(gradient[index]) == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-6, abs=1e-6)


def test_batches_equal_single_structures(models):
    """A batch of a cluster and two boxes: energies, moments and forces of each alone."""
    model = PolarMPModel(models.make_network(), accuracy=1e-10)
    cells = [models.triclinic, None, 1.2 * models.triclinic]
    parts = [models.structure(seed, n_atoms=5 + seed, cell=cell) for seed, cell in enumerate(cells)]
    positions = torch.cat([p.positions for p in parts]).requires_grad_()
    species = torch.cat([p.species for p in parts])
    batch = torch.cat([torch.full((len(p.species),), k) for k, p in enumerate(parts)])
    charge = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)
    cell = torch.stack([torch.eye(3, dtype=torch.float64) if p.cell is None else p.cell for p in parts])
    pbc = torch.tensor([True, False, True])
    together = model.energy(positions, species, cell, pbc=pbc, batch=batch, total_charge=charge)
    (forces,) = torch.autograd.grad(together.sum(), positions)
    assert together.shape == (3,)
    for k, part in enumerate(parts):
        own = part.positions.clone().requires_grad_()
        alone = model.energy(own, part.species, part.cell, total_charge=charge[k])
        torch.testing.assert_close(together[k], alone, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(forces[batch == k], torch.autograd.grad(alone, own)[0], rtol=1e-7, atol=1e-7)


def test_batched_pairs_are_those_of_each_structure(models):
    parts = [models.structure(0), models.structure(1, n_atoms=4, cell=None)]
    positions = torch.cat([p.positions for p in parts])
    batch = torch.tensor([0] * 9 + [1] * 4)
    order = torch.randperm(13, generator=torch.Generator().manual_seed(0))
    cell = torch.stack([models.triclinic, models.triclinic])
    index, shifts = batched_pairs(positions[order], 3.0, cell, pbc=torch.tensor([True, False]), batch=batch[order])
    assert (batch[order][index[0]] == batch[order][index[1]]).all()
    distances = displacements(positions[order], index, shifts, cell, batch[order]).norm(dim=1)
    expected = []
    for part in parts:
        own = neighbor_pairs(part.positions, 3.0, part.cell)
        expected.append(displacements(part.positions, *own, part.cell).norm(dim=1))
    torch.testing.assert_close(distances.sort().values, torch.cat(expected).sort().values)


def test_training_twice_differentiable(models):
    """A loss of forces has gradients with respect to all weights."""
    atoms = models.structure(n_atoms=6)
    model = PolarMPModel(models.make_network())
    positions = atoms.positions.clone().requires_grad_()
    energy = model.energy(positions, atoms.species, atoms.cell)
    (gradient,) = torch.autograd.grad(energy, positions, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in model.named_parameters():
        if name.endswith("heads.final.bias"):
            continue  # the energy's constant has no force
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_unknown_elements(models):
    atoms = models.structure()
    model = PolarMPModel(models.make_network())
    with pytest.raises(ValueError, match=r"atomic numbers \[6, 11\] that the model does not know; it knows \[1, 8\]"):
        model.energy(atoms.positions, torch.tensor([6, 11, 1, 1, 1, 8, 8, 1, 1]), atoms.cell)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0.0}, "sigma must be a positive length"),
        ({"accuracy": 2.0}, "accuracy must lie between 0 and 1"),
        ({"k_max": -1.0}, "k_max must be positive"),
    ],
    ids=str,
)
def test_bad_settings(models, options, message):
    with pytest.raises(ValueError, match=message):
        PolarMPModel(models.make_network(), **options)


def test_network_without_the_protocol():
    with pytest.raises(TypeError, match="network must have the attribute 'cutoff'; Linear has not"):
        PolarMPModel(torch.nn.Linear(1, 1))


def test_periodic_without_a_cell(models):
    atoms = models.structure()
    with pytest.raises(ValueError, match="cell is None and pbc is True"):
        PolarMPModel(models.make_network()).energy(atoms.positions, atoms.species, pbc=True)


def test_pbc_false_ignores_the_cell(models):
    atoms = models.structure()
    model = PolarMPModel(models.make_network())
    with_cell = model.energy(atoms.positions, atoms.species, atoms.cell, pbc=False)
    torch.testing.assert_close(with_cell, model.energy(atoms.positions, atoms.species))


def test_training_range():
    species = torch.tensor([8, 1, 1])
    positions = torch.tensor([[0.0, 0, 0], [0.96, 0, 0], [-0.2, 0.9, 0]], dtype=torch.float64)
    index, shifts = neighbor_pairs(positions, 3.0)
    distances = displacements(positions, index, shifts, None).norm(dim=1)
    forces = torch.tensor([[0.0, 3.0, 4.0], [1.0, 0, 0], [0, 0, 0]])
    seen = TrainingRange.of(species, index, distances, forces)
    assert seen.smallest_distances[(1, 8)] == pytest.approx((0.04 + 0.81) ** 0.5)
    assert seen.smallest_distances[(1, 1)] == pytest.approx((1.16**2 + 0.81) ** 0.5)
    assert seen.largest_force == 5.0
    known = TrainingRange({(1, 8): 0.93, (1, 1): 1.3}, 4.0)  # 5.0 is more than a tenth above
    complaints = known.violations(seen)
    assert len(complaints) == 2
    assert "H and O are 0.922 A apart" in complaints[0]
    assert "5.00 eV/A; the training data went up to 4.00" in complaints[1]
    assert known.violations(seen, tolerance=0.01) == complaints[1:]
    assert known.extended(seen).violations(seen) == []
    assert "nan" in known.violations(dataclasses.replace(seen, largest_force=float("nan")), tolerance=1.0)[0]
    assert TrainingRange.from_dict(seen.to_dict()) == seen
