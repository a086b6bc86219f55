"""Force groups and multiple time steps, collective variables, alchemy, ring polymers, variable steps, constraints."""

import copy

import numpy as np
import openmm
import pytest
from openmm import unit
from support.platforms import CPU, REFERENCE, PlatformChoice, usable
from support.simulations import energies_along, positions_of, water_system
from support.systems import energy_and_forces, force_in, relative_error

from openmm_polarmp import PolarMPForce


def test_force_groups(platform_once):
    _, system, positions = water_system()
    system.getForce(0).setForceGroup(3)
    context = platform_once.context(system)
    context.setPositions(positions)
    whole = context.getState(energy=True).getPotentialEnergy()._value
    ours = context.getState(energy=True, groups={3}).getPotentialEnergy()._value
    rest = context.getState(energy=True, groups={0}).getPotentialEnergy()._value
    assert ours + rest == pytest.approx(whole, rel=1e-5) and abs(ours) > 1 and abs(rest) > 0


def test_multiple_time_steps():
    """The model every fourth step: what its energy changes by comes back as kinetic energy of the rest."""
    _, system, positions = water_system()
    system.getForce(0).setForceGroup(1)
    integrator = openmm.MTSIntegrator(0.0004, [(1, 1), (0, 4)])
    context = CPU.context(system, integrator)
    context.setPositions(positions)
    context.setVelocitiesToTemperature(300, 1)
    total, ours = energies_along(context, group=1, steps=3)
    assert np.std(total) < 0.1 * np.std(ours)


def test_inside_a_collective_variable(platform_once):
    """Energy, forces, and the getters through the inner Context."""
    _, system, positions = water_system(bonds=False)
    plain = platform_once.context(openmm.XmlSerializer.clone(system))
    plain.setPositions(positions)
    energy, forces = energy_and_forces(plain)
    inner = PolarMPForce.cast(system.getForce(0))
    variable = openmm.CustomCVForce("0.5*u")
    variable.addCollectiveVariable("u", copy.deepcopy(inner))
    outer = openmm.System()
    for i in range(system.getNumParticles()):
        outer.addParticle(system.getParticleMass(i))
    outer.setDefaultPeriodicBoxVectors(*system.getDefaultPeriodicBoxVectors())
    outer.addForce(variable)
    context = platform_once.context(outer)
    context.setPositions(positions)
    half, half_forces = energy_and_forces(context)
    assert half == pytest.approx(energy / 2, rel=1e-5)
    assert relative_error(half_forces, forces / 2) < 1e-4
    innermost = variable.getInnerContext(context)
    found = force_in(innermost.getSystem())
    mine = PolarMPForce.cast(plain.getSystem().getForce(0))
    np.testing.assert_allclose(found.getCharges(innermost), mine.getCharges(plain), atol=1e-6)


def test_alchemical_transfer():
    """ATM evaluates the force at two sets of positions: at its ends it is one of them alone."""
    _, system, positions = water_system(bonds=False)
    shift = np.zeros_like(positions)
    shift[:3] = [0.05, 0.0, 0.02]
    expected = []
    for moved in (positions, positions + shift):
        context = CPU.context(openmm.XmlSerializer.clone(system))
        context.setPositions(moved)
        expected.append(energy_and_forces(context)[0])
    atm = openmm.ATMForce(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    atm.addForce(copy.deepcopy(PolarMPForce.cast(system.getForce(0))))
    for displacement in shift:
        atm.addParticle(openmm.Vec3(*displacement))
    outer = openmm.System()
    for i in range(system.getNumParticles()):
        outer.addParticle(system.getParticleMass(i))
    outer.setDefaultPeriodicBoxVectors(*system.getDefaultPeriodicBoxVectors())
    outer.addForce(atm)
    context = CPU.context(outer)
    context.setPositions(positions)
    context.setParameter(openmm.ATMForce.Lambda1(), 0.0)
    context.setParameter(openmm.ATMForce.Lambda2(), 0.0)
    assert context.getState(energy=True).getPotentialEnergy()._value == pytest.approx(expected[0], rel=1e-5)
    u1, u0, _ = (u._value for u in atm.getPerturbationEnergy(context))
    assert (u0, u1) == (pytest.approx(expected[0], rel=1e-5), pytest.approx(expected[1], rel=1e-5))


@pytest.mark.parametrize("name", ["Reference", "OpenCL"])
def test_ring_polymers(name):
    """Each bead's energy is that of a Context of its own."""
    platform = usable(PlatformChoice(name, "mixed" if name == "OpenCL" else None))
    _, system, positions = water_system()
    integrator = openmm.RPMDIntegrator(4, 300, 1, 0.0001)
    context = platform.context(system, integrator)  # the beads live in it
    rng = np.random.default_rng(2)
    for bead in range(4):
        integrator.setPositions(bead, positions + 0.002 * rng.normal(size=positions.shape))
    integrator.step(2)
    assert context.getSystem().getNumParticles() == len(positions)
    alone = platform.context(openmm.XmlSerializer.clone(system))
    for bead in range(4):
        state = integrator.getState(bead, getEnergy=True, getForces=True, getPositions=True)
        alone.setPositions(state.getPositions())
        energy, forces = energy_and_forces(alone)
        assert state.getPotentialEnergy()._value == pytest.approx(energy, rel=1e-5)
        assert relative_error(state.getForces(asNumpy=True)._value, forces) < 1e-4


def test_variable_time_steps_follow_the_same_path(platform_once):
    """As short fixed steps of Verlet's integrator on Reference."""
    _, system, positions = water_system()
    paths = []
    for platform, integrator in (
        (REFERENCE, openmm.VerletIntegrator(2e-5)),
        (platform_once, openmm.VariableVerletIntegrator(1e-7)),
    ):
        context = platform.context(openmm.XmlSerializer.clone(system), integrator, positions)
        if isinstance(integrator, openmm.VerletIntegrator):
            integrator.step(100)
        else:
            integrator.stepTo(0.002)
        assert context.getState().getTime()._value == pytest.approx(0.002, abs=1e-9)
        paths.append(positions_of(context) - positions)
    # Displacements from rest, in some hundred steps: platforms begin with half a step more or less.
    assert relative_error(paths[1], paths[0]) < 0.02


def test_constraints_hold():
    _, system, positions = water_system(bonds=False)
    for molecule in range(8):
        o, h1, h2 = range(3 * molecule, 3 * molecule + 3)
        for a, b in ((o, h1), (o, h2), (h1, h2)):
            system.addConstraint(a, b, float(np.linalg.norm(positions[a] - positions[b])))
    integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.0005)
    integrator.setConstraintTolerance(1e-6)
    context = CPU.context(system, integrator)
    context.setPositions(positions)
    integrator.step(20)
    r = positions_of(context)
    lengths = np.linalg.norm(r[1::3] - r[::3], axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(positions[1::3] - positions[::3], axis=1), rtol=1e-5)


def test_replica_exchange_by_openmm_s_own_sampler():
    """Three temperatures share one Context; each replica's energy is that of its own positions."""
    from openmm import app

    topology, system, positions = water_system()
    integrator = openmm.LangevinMiddleIntegrator(300, 50, 0.0005)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(positions)
    states = [{"temperature": t * unit.kelvin} for t in (300, 320, 340)]
    sampler = app.ReplicaExchangeSampler(states, simulation, 20)
    sampler.simulate(3)
    assert sampler.currentIteration == 3 and sorted(sampler.replicaStateIndex) == [0, 1, 2]
    alone = CPU.context(openmm.XmlSerializer.clone(system))
    energies = []
    for conformation, found in zip(sampler.replicaConformation, sampler.replicaStateEnergy, strict=True):
        alone.setPositions(conformation.getPositions())
        energies.append(energy_and_forces(alone)[0])
        for energy in found:  # the same in every state: only the temperature differs
            assert energy.value_in_unit(unit.kilojoule_per_mole) == pytest.approx(energies[-1], abs=0.05)
    assert np.ptp(energies) > 1
