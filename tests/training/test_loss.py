"""The loss against its definition, from errors that are computed without it."""

import dataclasses

import numpy as np
import pytest
import torch
from support.ionic import ionic_frames
from support.models import tiny_model

from openmm_polarmp.training import Batch, Structure, compare
from openmm_polarmp.training.config import LossConfig
from openmm_polarmp.training.disturbed_structures import energy_deficits
from openmm_polarmp.training.loss import TrainingLoss, weights_at


def energy_and_derivatives(model, member):
    """Energy, forces, and for a box dU/d(strain) / V; for a cluster its dipole."""
    r = member.positions.clone().requires_grad_()
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    cell = None if member.cell is None else member.cell + member.cell @ strain
    energy = model.energy(r + r @ strain, member.species, cell)
    gradient, virial = torch.autograd.grad(energy, [r, strain])
    if cell is not None:
        volume = torch.linalg.det(member.cell).abs()
        return energy.item(), -gradient, (virial + virial.T) / 2 / volume
    moments = model.multipoles(member.positions, member.species)[1]
    return energy.item(), -gradient, (moments.charges @ member.positions + moments.dipoles.sum(0)).detach()


def test_each_part_has_the_scale_that_the_configuration_describes():
    """(dE)^2 / N, the mean square of a force component, (dstress V)^2 / N, (dD)^2: of a box and a smaller cluster."""
    model = tiny_model((3, 9, 11, 17), "qu").double()
    frames = [*ionic_frames(1, seed=1, pairs=5, box=8.0), *ionic_frames(1, seed=2, pairs=3, box=None)]
    members = [Structure.of(frame, model.cutoff) for frame in frames]
    (e_box, f_box, stress), (e_cluster, f_cluster, dipole) = (energy_and_derivatives(model, m) for m in members)
    box, cluster = members
    volume = torch.linalg.det(box.cell).abs()
    parts = {
        "energy": (e_box - box.energy) ** 2 / 10 + (e_cluster - cluster.energy) ** 2 / 6,
        "forces": ((f_box - box.forces) ** 2).mean() + ((f_cluster - cluster.forces) ** 2).mean(),
        "stress": ((stress - box.stress) ** 2).sum() * volume**2 / 10,
        "dipole": ((dipole - cluster.dipole) ** 2).sum(),
    }
    for name, expected in parts.items():
        config = LossConfig(**{**dict.fromkeys(parts, 0.0), name: 0.7})
        loss, _ = TrainingLoss(model, config)(Batch.of(members), weights_at(config, 0), (0,), 4.0)
        assert expected > 1e-6
        assert loss.item() == pytest.approx(0.7 * expected.item() / 4, rel=1e-8), name


def test_the_charges_of_molecules_before_the_total_charge_is_imposed():
    """Each pair of ions is a molecule; the second frame does not know its molecules."""
    model = tiny_model((3, 9, 11, 17), "qu").double()
    known, unknown = (ionic_frames(1, seed=seed, pairs=3, box=None)[0] for seed in (1, 2))
    known.arrays["molecules"] = np.array([4, 4, 0, 0, 7, 7])
    known.arrays["molecule_charges"] = np.array([1.0, 1.0, 0, 0, -1, -1])
    known.info["total_charge"] = unknown.info["total_charge"] = 0.0
    members = [Structure.of(frame, model.cutoff) for frame in (unknown, known)]
    member = members[1]
    raw = model.evaluate_network(
        member.positions, member.species, None, (member.edge_index, member.edge_shifts)
    ).raw_charges
    errors = torch.stack([raw[:2].sum() - 1, raw[2:4].sum(), raw[4:].sum() + 1])
    config = LossConfig(energy=0.0, forces=0.0, molecule_charges=0.7)
    loss, _ = TrainingLoss(model, config)(Batch.of(members), weights_at(config, 0), (0,), 4.0)
    assert loss.item() == pytest.approx(0.7 * (errors**2).mean().item() / 4, rel=1e-8)
    loss.backward()
    assert model.network.heads.final.weight.grad.abs().max() > 0


def test_energies_without_weight_count_nowhere():
    """A frame whose energy is known up to a constant: the loss, the mean error and the lower bound leave it out."""
    model = tiny_model((3, 9, 11, 17), "qu").double()
    frames = [ionic_frames(1, seed=seed, pairs=3, box=None)[0] for seed in (1, 2)]
    frames[1].info["energy_weight"] = 0.0
    members = [Structure.of(frame, model.cutoff) for frame in frames]
    config = LossConfig(energy=0.7, forces=0.0, disturbed=0.0)
    both, sums = TrainingLoss(model, config)(Batch.of(members), weights_at(config, 0), (0,), 1.0)
    first, _ = TrainingLoss(model, config)(Batch.of(members[:1]), weights_at(config, 0), (0,), 1.0)
    assert both.item() == pytest.approx(first.item(), rel=1e-10) and first.item() > 1e-6
    assert sums["energy"][1].tolist() == [1, 0]
    assert [len(compare(model, members).reference[name]) for name in ("energy", "forces")] == [1, 12]
    high = dataclasses.replace(members[0], energy=members[0].energy + 1e6)  # every copy is below its bound
    assert energy_deficits(model, Batch.of([high]), [(0,)]).item() > 1e5
    assert energy_deficits(model, Batch.of([dataclasses.replace(high, energy_weight=0.0)]), [(0,)]).item() == 0
    frames[1].info["energy_weight"] = 2.0
    with pytest.raises(ValueError, match="energy_weight is 2; 0 to 1 is accepted"):
        Structure.of(frames[1], model.cutoff)


def test_frames_of_little_weight():
    """The loss of a batch is the sum of its frames' losses, each times its weight."""
    model = tiny_model((3, 9, 11, 17), "qu").double()
    frames = [ionic_frames(1, seed=seed, pairs=3, box=None)[0] for seed in (1, 2)]
    frames[1].info["weight"] = 0.25
    members = [Structure.of(frame, model.cutoff) for frame in frames]
    config = LossConfig(energy=0.7, forces=1.0, disturbed=1e-3)

    def loss(*chosen: Structure) -> float:
        return TrainingLoss(model, config)(Batch.of(chosen), weights_at(config, 0), (0,), 1.0)[0].item()

    numbered = [dataclasses.replace(member, number=number) for number, member in enumerate(members)]
    full = dataclasses.replace(numbered[1], weight=1.0)
    assert loss(*numbered) == pytest.approx(loss(numbered[0]) + 0.25 * loss(full), rel=1e-10)
    for wrong in (0.0, -1.0, np.nan):
        frames[1].info["weight"] = wrong
        with pytest.raises(ValueError, match=r"weight is .*; numbers above 0 are accepted"):
            Structure.of(frames[1], model.cutoff)


def test_frames_far_off_count_linearly():
    """Not their squares; a frame that is nearly right counts as before, and the weight of a frame stays a factor."""
    model = tiny_model((3, 9, 11, 17), "qu").double()
    frame = ionic_frames(1, seed=1, pairs=3, box=None)[0]
    member = Structure.of(frame, model.cutoff)

    def loss(*, weight: float = 1.0, **settings: float) -> float:
        config = LossConfig(energy=0.0, **settings)
        chosen = dataclasses.replace(member, weight=weight)
        return TrainingLoss(model, config)(Batch.of([chosen]), weights_at(config, 0), (0,), 1.0)[0].item()

    square = loss()
    assert loss(linear_from=1e3 * square**0.5) == pytest.approx(square, rel=1e-5)
    far = 1e-3 * square**0.5
    assert loss(linear_from=far) == pytest.approx(2 * far * square**0.5, rel=2e-3)
    assert loss(linear_from=far, weight=0.25) == pytest.approx(0.25 * loss(linear_from=far), rel=1e-12)
    with pytest.raises(ValueError, match=r"linear_from is 0\.0; a positive number is accepted"):
        LossConfig(linear_from=0.0)
