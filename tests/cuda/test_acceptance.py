"""Simulations on a GPU as users run them: barostats, mixed systems, checkpoints, the same numbers every time.

OpenCL runs the same, which has the same kernels.
"""

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.platforms import REFERENCE, PlatformChoice, usable
from support.simulations import positions_of, water_system
from support.systems import energy_and_forces, relative_error
from support.water import water

from openmm_polarmp.sources.options import EVALUATORS


@pytest.fixture(
    params=[PlatformChoice("OpenCL", "mixed"), *(PlatformChoice("CUDA", p) for p in ("single", "mixed"))], ids=str
)
def gpu(request):
    return usable(request.param)


@pytest.fixture(params=EVALUATORS)
def evaluator(request):
    return request.param


def water_on(evaluator):
    """A System of water by a network of one layer, and positions."""
    _, system, positions = water_system(model=tiny_model(layers=1), evaluator=evaluator, precision="single")
    return system, positions


def langevin(seed=7):
    integrator = openmm.LangevinMiddleIntegrator(300, 10, 0.0003)
    integrator.setRandomNumberSeed(seed)
    return integrator


def start(platform, system, positions):
    context = platform.context(system, langevin())
    context.setPositions(positions)
    context.setVelocitiesToTemperature(300, 3)
    return context, context.getIntegrator()


def assert_as_reference(context, system):
    """Energy and forces of the Context as it is now, by dense sums in double precision and the network in torch."""
    reference = REFERENCE.context(system)
    reference.setPeriodicBoxVectors(*context.getState().getPeriodicBoxVectors())
    reference.setPositions(positions_of(context))
    (energy, forces), (expected, expected_forces) = energy_and_forces(context), energy_and_forces(reference)
    assert energy == pytest.approx(expected, rel=1e-4, abs=0.5)
    assert relative_error(forces, expected_forces) < 2e-3


@pytest.mark.parametrize("barostat", ["MonteCarloBarostat", "MonteCarloFlexibleBarostat"])
def test_a_run_at_constant_pressure(gpu, evaluator, barostat):
    """After moves of the box, accepted and refused: the energies and forces of Reference in the box as it is."""
    system, positions = water_on(evaluator)
    reference, _ = water_on("torch")
    system.addForce(getattr(openmm, barostat)(1000, 300, 2))
    context, integrator = start(gpu, system, positions)
    before = np.array(context.getState().getPeriodicBoxVectors()._value)
    for _ in range(2):
        integrator.step(40)
        assert_as_reference(context, reference)
    assert np.abs(np.array(context.getState().getPeriodicBoxVectors()._value) - before).max() > 1e-4


def test_dynamics_in_a_mixed_system(gpu, evaluator):
    """Two molecules by the model among water of a force field, with steps between."""
    topology, positions = water(27)
    forcefield = app.ForceField("amber14/tip3p.xml")
    options = {"nonbondedMethod": app.PME, "nonbondedCutoff": 0.4 * unit.nanometer, "constraints": None}
    mm = forcefield.createSystem(topology, rigidWater=True, **options)
    atoms = [a.index for a in topology.atoms() if a.residue.index < 2]
    potential = MLPotential("polarmp", modelPath=tiny_model(layers=1))
    system = potential.createMixedSystem(topology, mm, atoms, evaluator=evaluator)
    reference = potential.createMixedSystem(topology, mm, atoms, evaluator="torch")
    context, integrator = start(gpu, system, positions)
    assert_as_reference(context, reference)
    integrator.step(20)
    assert_as_reference(context, reference)


def test_a_checkpoint_continues_the_path(gpu, evaluator):
    """Bit by bit, also after the Context was used for other positions in another box meanwhile."""
    system, positions = water_on(evaluator)
    context, integrator = start(gpu, system, positions)
    integrator.step(5)
    checkpoint = context.createCheckpoint()
    integrator.step(5)
    wanted = positions_of(context)
    vectors = np.array(context.getState().getPeriodicBoxVectors()._value)
    context.setPeriodicBoxVectors(*(1.03 * vectors))
    context.setPositions(1.03 * positions)
    integrator.step(3)
    context.loadCheckpoint(checkpoint)
    integrator.step(5)
    np.testing.assert_allclose(positions_of(context), wanted, rtol=0, atol=1e-6)


def test_the_same_forces_every_time(gpu, evaluator):
    """Bit by bit in two Contexts along a path with searches of the pairs.

    Energies are sums over OpenMM's threads. In one Context the same state may be rounded in another way the next time,
    because OpenMM wraps molecules when it sorts atoms.
    """
    system, positions = water_on(evaluator)
    contexts = [start(gpu, system, positions)[0] for _ in range(2)]
    for _ in range(3):
        (energy, forces), (other_energy, other_forces) = map(energy_and_forces, contexts)
        np.testing.assert_array_equal(other_forces, forces)
        assert other_energy == pytest.approx(energy, rel=1e-9)
        assert relative_error(energy_and_forces(contexts[0])[1], forces) < 1e-6
        for context in contexts:
            context.getIntegrator().step(10)
        np.testing.assert_array_equal(positions_of(contexts[0]), positions_of(contexts[1]))


def test_evaluators_agree(gpu):
    """Torch and the plugin's own kernels on the same platform, before and after steps."""
    contexts = {}
    for name in EVALUATORS:
        system, positions = water_on(name)
        contexts[name], _ = start(gpu, system, positions)
    one, other = contexts.values()
    for steps in (0, 10):
        one.getIntegrator().step(steps)
        other.setPositions(positions_of(one))
        (energy, forces), (expected, expected_forces) = energy_and_forces(one), energy_and_forces(other)
        assert energy == pytest.approx(expected, rel=1e-5, abs=0.05)
        assert relative_error(forces, expected_forces) < 1e-3


def test_endurance(gpu, evaluator):
    """Some hundred steps with reports between: every number is finite and the temperature stays."""
    system, positions = water_on(evaluator)
    context, integrator = start(gpu, system, positions)
    kinetic = []
    for _ in range(15):
        integrator.step(20)
        state = context.getState(energy=True, forces=True, positions=True)
        assert np.isfinite(state.getPotentialEnergy()._value)
        assert np.isfinite(state.getForces(asNumpy=True)._value).all()
        kinetic.append(state.getKineticEnergy()._value)
    temperature = 2 * np.mean(kinetic[5:]) / (3 * system.getNumParticles() * 0.00831446)
    assert 100 < temperature < 900
