"""Moments that depend on the potentials they make (theory.md section 9, fixed point)."""

import numpy as np
import openmm
import pytest
import torch

from openmm_polarmp import PolarMPForce
from openmm_polarmp.electrostatics import ElectrostaticPlan, Multipoles
from openmm_polarmp.electrostatics.permanent import Moments, permanent_potential
from openmm_polarmp.models import PolarMPModel, load_model
from openmm_polarmp.neighbors import neighbor_pairs

EV_PER_A = 964.8533212331  # kJ/mol/nm


def model_of(models, rounds, rung="quQ+ka", **options):
    """With weights on the potentials, which are zero in an untrained network."""
    network = models.make_network(rung=rung, rounds=rounds, **options)
    generator = torch.Generator().manual_seed(8)
    if rounds:
        with torch.no_grad():
            weight = network.heads.potential_inputs.linear.weight
            weight.copy_(0.5 * torch.randn(weight.shape, generator=generator))
    return PolarMPModel(network, accuracy=1e-9)


def context_of(model, atoms, platform, cell):
    force = PolarMPForce(model, atomic_numbers=atoms.species.tolist(), precision="double")
    force.setNonbondedMethod(PolarMPForce.NoCutoff if cell is None else PolarMPForce.PME)
    force.setEwaldErrorTolerance(1e-5)
    system = openmm.System()
    for _ in atoms.species:
        system.addParticle(1.0)
    if cell is not None:
        system.setDefaultPeriodicBoxVectors(*(0.1 * cell).numpy())
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(platform))
    context.setPositions(0.1 * atoms.positions.numpy())
    return context


def test_a_round_is_one_more_evaluation_with_the_potentials_of_the_last(models):
    atoms = models.structure()
    results = [
        model_of(models, rounds).multipoles(atoms.positions, atoms.species, atoms.cell)[1] for rounds in (0, 1, 2)
    ]
    changes = [(results[i + 1].charges - results[i].charges).abs().max() for i in range(2)]
    assert changes[0] > 1e-4 and changes[1] > 1e-6
    network = model_of(models, 1).network
    index, shifts = neighbor_pairs(atoms.positions, network.cutoff, atoms.cell)
    felt = []

    def potentials(multipoles):
        plan = ElectrostaticPlan(atoms.positions, atoms.cell, accuracy=1e-9)
        charges = multipoles.charges - multipoles.charges.mean()
        moments = Moments(charges, multipoles.dipoles, multipoles.traceless_quadrupoles())
        felt.append(permanent_potential(atoms.positions, moments, atoms.cell[None], plan, order=2)[1])
        return felt[-1]

    _, multipoles = network(atoms.positions, atoms.species, index, shifts, atoms.cell, None, None, None, potentials)
    assert len(felt) == 1
    torch.testing.assert_close(multipoles.dipoles, results[1].dipoles)


@pytest.mark.parametrize("rung", ("q", "quQ+ka", "qu+ca"))
def test_forces_by_differences(models, rung):
    atoms, model = models.structure(), model_of(models, 2, rung)
    r = atoms.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.energy(r, atoms.species, atoms.cell), r)
    for atom, axis in ((0, 0), (3, 2)):
        step = torch.zeros_like(r)
        step[atom, axis] = 1e-4
        up, down = (model.energy(atoms.positions + s * step, atoms.species, atoms.cell).detach() for s in (1, -1))
        assert abs(float((up - down) / 2e-4 - gradient[atom, axis])) < 2e-6 * float(gradient.abs().max() + 1)


def test_equivariance(models):
    atoms, model = models.structure(), model_of(models, 2)
    generator = torch.Generator().manual_seed(3)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    _, m = model.multipoles(atoms.positions, atoms.species, atoms.cell)
    _, rotated = model.multipoles(atoms.positions @ rotation.T, atoms.species, atoms.cell @ rotation.T)
    torch.testing.assert_close(rotated.charges, m.charges, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(rotated.dipoles, m.dipoles @ rotation.T, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(rotated.quadrupoles, rotation @ m.quadrupoles @ rotation.T, rtol=1e-6, atol=1e-8)


def test_batch_equals_single_structures(models):
    atoms, model = models.structure(), model_of(models, 1)
    moved = (
        atoms.positions + 0.1 * torch.randn(atoms.positions.shape, generator=torch.Generator().manual_seed(1)).double()
    )
    alone = [model.energy(r, atoms.species, cell) for r, cell in ((atoms.positions, atoms.cell), (moved, None))]
    n = len(atoms.species)
    together = model.energy(
        torch.cat([atoms.positions, moved]),
        atoms.species.repeat(2),
        atoms.cell.expand(2, 3, 3),
        pbc=torch.tensor([True, False]),
        batch=torch.arange(2).repeat_interleave(n),
    )
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-8, atol=1e-8)


def test_file_and_training(models, tmp_path):
    """The file holds it, and a loss of forces reaches the weights on the potentials."""
    atoms, model = models.structure(), model_of(models, 2)
    model.save(tmp_path / "model.polarmp")
    again = load_model(tmp_path / "model.polarmp")
    r = atoms.positions.clone().requires_grad_()
    energy = again.energy(r, atoms.species, atoms.cell)
    torch.testing.assert_close(energy, model.energy(r, atoms.species, atoms.cell), rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(energy, r, create_graph=True)
    (gradient**2).sum().backward()
    assert again.network.heads.potential_inputs.linear.weight.grad.abs().max() > 0


@pytest.mark.parametrize("platform", ("Reference", "CPU"))
@pytest.mark.parametrize("periodic", (True, False))
def test_in_openmm(models, platform, periodic):
    """The force evaluates the rounds in torch, and its forces go back through them."""
    atoms, model = models.structure(), model_of(models, 2)
    cell = atoms.cell if periodic else None
    context = context_of(model, atoms, platform, cell)
    r = atoms.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.energy(r, atoms.species, cell), r)
    expected = -EV_PER_A * gradient.numpy()
    forces = context.getState(forces=True).getForces(asNumpy=True)._value
    assert np.abs(forces - expected).max() < 1e-4 * np.abs(expected).max()
    # a second step, at other positions, uses the plan again
    context.setPositions(0.1 * atoms.positions.numpy() + 0.001)
    again = context.getState(forces=True).getForces(asNumpy=True)._value
    assert np.abs(again - expected).max() < 1e-4 * np.abs(expected).max()


def test_own_network_asks_for_potentials(models):
    """The protocol for networks of one's own: an attribute, and a function as the last argument."""

    class Polarizable(torch.nn.Module):
        cutoff, species, asks_for_potentials = 3.0, (1, 8), True

        def forward(self, positions, species, index, shifts, cell, batch, total_charge, multiplicity, potentials):
            charges = torch.where(species == 8, -0.8, 0.4).to(positions)
            felt = potentials(Multipoles(charges))
            return 0.5 * felt.potential, Multipoles(
                charges * (1 - 0.01 * felt.potential), dipoles=-0.02 * felt.gradient
            )

    atoms = models.structure()
    r = atoms.positions.clone().requires_grad_()
    model = PolarMPModel(Polarizable(), accuracy=1e-9)
    energy = model.energy(r, atoms.species, atoms.cell)
    (gradient,) = torch.autograd.grad(energy, r)
    step = torch.zeros_like(r)
    step[2, 1] = 1e-4
    up, down = (model.energy(atoms.positions + s * step, atoms.species, atoms.cell) for s in (1, -1))
    assert abs(float((up - down) / 2e-4 - gradient[2, 1])) < 1e-5
    context = context_of(model, atoms, "CPU", atoms.cell)
    forces = context.getState(forces=True).getForces(asNumpy=True)._value
    expected = -EV_PER_A * gradient.numpy()
    assert np.abs(forces - expected).max() < 1e-4 * np.abs(expected).max()


def test_refusals(models, tmp_path):
    model = model_of(models, 1)
    with pytest.raises(ValueError, match="evaluator is 'native', which cannot be had with rounds: 1"):
        PolarMPForce(model, atomic_numbers=[8, 1, 1], evaluator="native")
    with pytest.raises(ValueError, match="rounds is 5; integers from 0 to 4"):
        models.make_network(rung="q", rounds=5)
    with pytest.raises(ValueError, match="rounds is 1; 0 is accepted with rung 'sr'"):
        models.make_network(rung="sr", rounds=1)
    atoms = models.structure()
    index, shifts = neighbor_pairs(atoms.positions, 3.0, atoms.cell)
    with pytest.raises(TypeError, match="potentials is missing; networks with rounds"):
        model.network(atoms.positions, atoms.species, index, shifts, atoms.cell)
