"""Moments and forces of a source in torch, on a plain namespace of tensors in place of a platform's memory."""

import pytest
import torch
from support.torch_sources import CELL, UNTOUCHED, fill_gradients, make_atoms, make_buffers, make_model

from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy
from openmm_polarmp.moments import MOMENTS
from openmm_polarmp.neighbors import NeighborList
from openmm_polarmp.sources.network import TorchSource

NAMES = tuple(moment.name for moment in MOMENTS)


@pytest.mark.parametrize("where", ["box", "cluster"])
@pytest.mark.parametrize("polarizability", ["scalar", "tensor"])
def test_energy_and_moments(where, polarizability):
    cell = CELL if where == "box" else None
    positions, species = make_atoms(9, CELL)
    model = make_model(polarizability=polarizability)
    source = TorchSource(model, species.tolist(), total_charge=1.0, precision="double")
    assert source.has_dipoles and source.has_quadrupoles and source.has_softness and source.has_polarizability
    assert source.num_particles == 9
    for include_gradients in (True, False):
        buffers = make_buffers(positions, cell)
        evaluation = source.bind(buffers)
        assert evaluation.stream == 0
        evaluation.forward(include_gradients)
        energies, multipoles = model.multipoles(positions, species, cell, total_charge=1.0)
        assert float(buffers.energy) == pytest.approx(float(energies.detach().sum()), rel=1e-13)
        for name in ("charges", "dipoles", "quadrupoles", "softness"):
            torch.testing.assert_close(getattr(buffers, name), getattr(multipoles, name).detach(), rtol=0, atol=1e-13)
        alpha = multipoles.polarizability.detach()
        if polarizability == "scalar":
            alpha = alpha[:, None, None] * torch.eye(3, dtype=torch.float64)
        torch.testing.assert_close(buffers.polarizability, alpha, rtol=0, atol=1e-13)
        assert float(buffers.charges.sum()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("rung", ["sr", "q", "qu", "quQ", "qu+k", "qu+a"])
def test_only_what_the_model_has_is_written(rung):
    positions, species = make_atoms(9, CELL)
    source = TorchSource(make_model(rung=rung), species.tolist())
    buffers = make_buffers(positions, CELL)
    evaluation = source.bind(buffers)
    evaluation.forward(True)
    evaluation.backward((0.0, 0.0, 0.0))
    has = {"charges": True} | {name: getattr(source, f"has_{name}") for name in NAMES[1:]}
    assert has == {
        "charges": True,
        "dipoles": "u" in rung,
        "quadrupoles": "Q" in rung,
        "softness": "k" in rung,
        "polarizability": "a" in rung.partition("+")[2],
    }
    for name, present in has.items():
        assert bool((getattr(buffers, name) == UNTOUCHED).all()) != present, name
    assert (buffers.charges == 0).all() == (rung == "sr")
    assert (buffers.forces != UNTOUCHED).all()


@pytest.mark.parametrize("where", ["box", "cluster"])
@pytest.mark.parametrize("polarizability", ["scalar", "tensor"])
def test_forces_by_finite_differences(where, polarizability):
    """forces = -d/dr (sum e + lambda . M) at fixed lambda."""
    cell = CELL if where == "box" else None
    positions, species = make_atoms(6, CELL)
    buffers = make_buffers(positions, cell)
    fill_gradients(buffers)
    evaluation = TorchSource(make_model(polarizability=polarizability), species.tolist(), precision="double").bind(
        buffers
    )
    evaluation.forward(True)
    evaluation.backward((0.0, 0.0, 0.0))
    forces = buffers.forces.clone()

    def value():
        evaluation.forward(False)
        total = buffers.energy[0].clone()
        for moment in MOMENTS:
            total += (getattr(buffers, moment.name) * getattr(buffers, moment.gradient)).sum()
        return float(total)

    step = 1e-4
    for index in [(0, 0), (2, 1), (5, 2)]:
        differences = []
        for sign in (1, -1):
            buffers.positions.copy_(positions)
            buffers.positions[index] += sign * step
            differences.append(value())
        slope = (differences[0] - differences[1]) / (2 * step)
        assert float(forces[index]) == pytest.approx(-slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("where", ["box", "cluster"])
def test_with_electrostatics_it_is_the_models_force(where):
    """lambda from the electrostatics' autograd, the plugin's sum of forces: equals the gradient of model.energy."""
    cell = CELL if where == "box" else None
    positions, species = make_atoms(9, CELL)
    model = make_model(polarizability="tensor")
    buffers = make_buffers(positions, cell)
    evaluation = TorchSource(model, species.tolist(), precision="double").bind(buffers)
    evaluation.forward(True)
    leaves = {name: getattr(buffers, name).clone().requires_grad_() for name in NAMES}
    fixed = positions.clone().requires_grad_()
    energy = electrostatic_energy(fixed, Multipoles(**leaves), cell, sigma=model.sigma, accuracy=1e-8).energy
    gradients = torch.autograd.grad(energy, [fixed, *leaves.values()])
    for moment, value in zip(MOMENTS, gradients[1:], strict=True):
        getattr(buffers, moment.gradient).copy_(value)
    evaluation.backward((0.0, 0.0, 0.0))
    moving = positions.clone().requires_grad_()
    model.accuracy = 1e-8
    whole = model.energy(moving, species, cell)
    assert float(whole.detach()) == pytest.approx(float(buffers.energy) + float(energy.detach()), rel=1e-12)
    expected = -torch.autograd.grad(whole, moving)[0]
    torch.testing.assert_close(buffers.forces - gradients[0], expected, rtol=1e-10, atol=1e-10)


def test_single_precision():
    positions, species = make_atoms(9, CELL)
    results = []
    for precision, dtype in (("double", torch.float64), ("single", torch.float32), ("single", torch.float64)):
        buffers = make_buffers(positions, CELL, dtype)
        fill_gradients(buffers)
        evaluation = TorchSource(make_model(), species.tolist(), precision=precision).bind(buffers)
        evaluation.forward(True)
        evaluation.backward((0.0, 0.0, 0.0))
        results.append(buffers)
    for single in results[1:]:
        for name in (*NAMES, "forces", "energy"):
            exact = getattr(results[0], name)
            # float32, some hundred operations
            scale = float(exact.abs().max())
            torch.testing.assert_close(getattr(single, name).double(), exact, rtol=0, atol=3e-5 * scale, msg=name)


@pytest.mark.parametrize("guesses", [False, True], ids=["", "as on a GPU"])
def test_along_a_trajectory_with_wrapped_atoms(guesses):
    """The kept list, atoms wrapped at will, a box that changes: the same as a fresh evaluation each time."""
    cell = CELL.clone()
    positions, species = make_atoms(9, cell)
    model = make_model()
    source = TorchSource(model, species.tolist(), precision="double", skin=0.6)
    buffers = make_buffers(positions, cell)
    fill_gradients(buffers)
    kept = source.bind(buffers)
    if guesses:
        kept._guesses, kept._list = True, NeighborList(model.cutoff, source.skin, cut=False)
    generator = torch.Generator().manual_seed(1)
    for step in range(15):
        # Now and then a long step, which no list survives and no guess foresees.
        length = 0.5 if step in (4, 11) else 0.03
        positions = positions + length * torch.randn(9, 3, generator=generator, dtype=torch.float64)
        cell = 1.001 * cell if step == 7 else cell
        jumps = torch.randint(-1, 2, (9, 3), generator=generator).double() @ cell
        fresh = make_buffers(positions, cell)
        fill_gradients(fresh)
        buffers.positions.copy_(positions + jumps)
        buffers.cell.copy_(cell)
        for evaluation in (kept, source.bind(fresh)):
            evaluation.forward(True)
            evaluation.backward((0.0, 0.0, 0.0))
        for name in (*NAMES, "forces", "energy"):
            torch.testing.assert_close(getattr(buffers, name), getattr(fresh, name), rtol=0, atol=1e-10)
    assert 2 <= kept._list.builds < 10


def test_state_reaches_the_network():
    positions, species = make_atoms(9, CELL)
    model = make_model(total_charge_input=True, multiplicity_input=True)
    energies = []
    for charge, multiplicity in ((0.0, 1), (1.0, 1), (0.0, 3)):
        buffers = make_buffers(positions, CELL)
        source = TorchSource(
            model, species.tolist(), total_charge=charge, multiplicity=multiplicity, precision="double"
        )
        source.bind(buffers).forward(False)
        energies.append(float(buffers.energy))
        expected = model.multipoles(positions, species, CELL, total_charge=charge, multiplicity=multiplicity)[0]
        assert energies[-1] == pytest.approx(float(expected.detach().sum()), rel=1e-12)
    assert len({round(e, 6) for e in energies}) == 3
