"""Predictions of batches against finite differences and against the functions of the electrostatics."""

import pytest
import torch
from support.ionic import ionic_frames
from support.models import tiny_model

from openmm_polarmp.training import Batch, Structure
from openmm_polarmp.training.predict import all_born_charges, predict

SPECIES = (3, 9, 11, 17)


@pytest.fixture(scope="module")
def model():
    return tiny_model(SPECIES).double()


def mixed(cutoff: float) -> list[Structure]:
    """Two boxes and two clusters of different sizes."""
    frames = [
        *ionic_frames(1, seed=1, pairs=4, box=7.5),
        *ionic_frames(1, seed=2, pairs=2, box=None),
        *ionic_frames(1, seed=3, pairs=5, box=8.0),
        *ionic_frames(1, seed=4, pairs=3, box=None),
    ]
    return [Structure.of(frame, cutoff) for frame in frames]


def test_a_mixed_batch_equals_its_structures_alone(model):
    members = mixed(model.cutoff)
    asked = {"stress": True, "dipole": True, "born_of": torch.tensor([1, 0, 3, 2]), "eps_inf": 1.5}
    together = predict(model, Batch.of(members), **asked)
    starts = [0, 8, 12, 22, 28]
    for b, member in enumerate(members):
        asked["born_of"] = torch.tensor([[1, 0, 3, 2][b]])
        alone = predict(model, Batch.of([member]), **asked)
        atoms = slice(starts[b], starts[b + 1])
        torch.testing.assert_close(together.energy[b], alone.energy[0], rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(together.forces[atoms], alone.forces, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(together.stress[b], alone.stress[0], rtol=1e-9, atol=1e-11)
        known = alone.born_atoms
        assert torch.equal(together.born_atoms[atoms], known)
        assert known.sum() == (1 if member.cell is not None else len(member))
        torch.testing.assert_close(
            together.born_charges[atoms][known], alone.born_charges[known], rtol=1e-9, atol=1e-10
        )
        if member.cell is None:
            torch.testing.assert_close(together.dipole[b], alone.dipole[0], rtol=1e-9, atol=1e-10)


def test_forces_and_stress_are_finite_differences(model):
    box = mixed(model.cutoff)[0]
    found = predict(model, Batch.of([box]), stress=True)

    def energy(positions, cell):
        return model.energy(positions, box.species, cell).item()

    step = 1e-4
    for atom, axis in ((0, 0), (3, 2)):
        moved = torch.zeros_like(box.positions)
        moved[atom, axis] = step
        slope = (energy(box.positions + moved, box.cell) - energy(box.positions - moved, box.cell)) / (2 * step)
        assert found.forces[atom, axis].item() == pytest.approx(-slope, abs=2e-6)
    volume = torch.linalg.det(box.cell).item()
    for a, b in ((0, 0), (0, 1), (2, 1)):
        strain = torch.zeros(3, 3, dtype=torch.float64)
        strain[a, b] += step / 2
        strain[b, a] += step / 2
        high = energy(box.positions + box.positions @ strain, box.cell + box.cell @ strain)
        low = energy(box.positions - box.positions @ strain, box.cell - box.cell @ strain)
        assert found.stress[0, a, b].item() == pytest.approx((high - low) / (2 * step) / volume, abs=2e-7)


def test_clusters_in_fields():
    """Beside others in a batch; forces are -dU/dr, and dipoles -dU/dE0."""
    model = tiny_model(SPECIES, rung="quQ+ca").double()
    members = mixed(model.cutoff)
    field = torch.tensor([0.2, -0.1, 0.3], dtype=torch.float64)
    free = predict(model, Batch.of(members), dipole=True)
    members[1].external_field = field
    found = predict(model, Batch.of(members), dipole=True)
    for b in (0, 2, 3):
        torch.testing.assert_close(found.energy[b], free.energy[b], rtol=1e-12, atol=1e-12)
    cluster, step = members[1], 1e-4

    def energy(positions, applied):
        return model.energy(positions, cluster.species, external_field=applied).item()

    axes = step * torch.eye(3, dtype=torch.float64)
    for a in range(3):
        slope = energy(cluster.positions, field + axes[a]) - energy(cluster.positions, field - axes[a])
        assert found.dipole[1, a].item() == pytest.approx(-slope / (2 * step), abs=1e-6)
        moved = torch.zeros_like(cluster.positions)
        moved[2] = axes[a]
        slope = energy(cluster.positions + moved, field) - energy(cluster.positions - moved, field)
        assert found.forces[8 + 2, a].item() == pytest.approx(-slope / (2 * step), abs=2e-6)
    assert (found.forces[8:12] - free.forces[8:12]).abs().max() > 0.01


def test_born_charges_of_chosen_atoms_are_those_of_the_full_computation(model):
    members = mixed(model.cutoff)
    batch = Batch.of(members)
    full = all_born_charges(model, batch, eps_inf=1.7)
    for chosen in ([0, 0, 0, 0], [5, 1, 9, 4]):
        found = predict(model, batch, born_of=torch.tensor(chosen), eps_inf=1.7)
        known = found.born_atoms
        assert known.sum() == 1 + 4 + 1 + 6
        torch.testing.assert_close(found.born_charges[known], full[known], rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("rung", "boxes_first"), [("quQ+k", 0), ("quQ+ka", 1)])
def test_training_derivatives_reach_every_weight(rung, boxes_first):
    """Through forces, stress, dipoles and Born charges: against finite differences of the loss.

    In a box with polarizability the scaling s of Born charges is a constant of the medium, without a derivative, though
    it depends on the weights; there only clusters have Born charges here.
    """
    model = tiny_model(SPECIES, rung).double()
    batch = Batch.of(mixed(model.cutoff)[:2])

    def loss():
        found = predict(model, batch, stress=True, dipole=True, born_of=torch.tensor([2, 0]), eps_inf=1.3, train=True)
        return (
            (found.forces**2).sum()
            + 30 * (found.stress**2).sum()
            + (found.dipole[1] ** 2).sum()
            + (found.born_charges[found.born_atoms][boxes_first:] ** 2).sum()
        )

    parameters = [model.network.heads.final.weight, model.network.embedding.weight, model.network.heads.trunk.weight]
    gradients = torch.autograd.grad(loss(), parameters)
    generator = torch.Generator().manual_seed(0)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-5 * direction
            values.append(loss().item())
            with torch.no_grad():
                parameter -= sign * 1e-5 * direction
        slope = (values[0] - values[1]) / 2e-5
        assert (gradient * direction).sum().item() == pytest.approx(slope, rel=2e-5, abs=1e-7)
