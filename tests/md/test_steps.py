"""Minimise, step, change, go on: the energies are always those of a fresh Context."""

import numpy as np
import openmm
import pytest
from support.platforms import PlatformChoice
from support.simulations import energies_along, positions_of, water_system
from support.systems import energy_and_forces, relative_error


def fresh(platform, system, positions, box=None):
    context = platform.context(openmm.XmlSerializer.clone(system))
    if box is not None:
        context.setPeriodicBoxVectors(*box)
    context.setPositions(positions)
    return energy_and_forces(context)


def agrees(platform, context, system):
    energy, forces = energy_and_forces(context)
    box = context.getState().getPeriodicBoxVectors()
    expected, expected_forces = fresh(platform, system, positions_of(context), box)
    assert energy == pytest.approx(expected, rel=1e-5, abs=1e-3)
    assert relative_error(forces, expected_forces) < 1e-4


@pytest.mark.parametrize("name", ["Reference", "CPU"])
def test_minimise_then_run(name):
    """(PoCL's minimizer crashes for any force.)"""
    platform = PlatformChoice(name)
    _, system, positions = water_system()
    context = platform.context(system, openmm.VerletIntegrator(0.0002))
    context.setPositions(positions)
    before = context.getState(energy=True).getPotentialEnergy()
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=10)
    assert context.getState(energy=True).getPotentialEnergy() < before
    context.getIntegrator().step(5)
    agrees(platform, context, system)


def test_step_change_step(platform_once):
    _, system, positions = water_system()
    context = platform_once.context(system, openmm.VerletIntegrator(0.0002))
    context.setPositions(positions)
    context.setVelocitiesToTemperature(300, 1)
    context.getIntegrator().step(5)
    agrees(platform_once, context, system)
    context.setPositions(positions + 0.01 * np.random.default_rng(0).normal(size=positions.shape))
    agrees(platform_once, context, system)
    context.getIntegrator().step(5)
    agrees(platform_once, context, system)
    # wrapped differently: the same energy and forces
    energy, forces = energy_and_forces(context)
    edge = system.getDefaultPeriodicBoxVectors()[0][0]._value
    shifts = edge * np.random.default_rng(1).integers(-3, 4, positions.shape)
    shifts = np.repeat(shifts[::3], 3, axis=0)  # the springs hold molecules together
    context.setPositions(positions_of(context) + shifts)
    again, again_forces = energy_and_forces(context)
    assert again == pytest.approx(energy, rel=1e-5, abs=1e-2)
    assert relative_error(again_forces, forces) < 1e-3


def test_reinitialize_keeps_the_state(platform_once):
    _, system, positions = water_system()
    context = platform_once.context(system, openmm.VerletIntegrator(0.0002))
    context.setPositions(positions)
    context.getIntegrator().step(3)
    energy, forces = energy_and_forces(context)
    context.reinitialize(preserveState=True)
    again, again_forces = energy_and_forces(context)
    assert again == pytest.approx(energy, rel=1e-6)
    assert relative_error(again_forces, forces) < 1e-5
    context.getIntegrator().step(3)
    agrees(platform_once, context, system)


def test_energy_is_conserved(platform_once):
    """The sum varies far less than the model's own part of it, which is smaller than that of the springs."""
    _, system, positions = water_system()
    system.getForce(0).setForceGroup(1)
    context = platform_once.context(system, openmm.VerletIntegrator(0.0001), positions)
    context.setVelocitiesToTemperature(300, 1)
    total, ours = energies_along(context, group=1, steps=5)
    assert np.std(total) < 0.05 * np.std(ours)


def test_an_atom_far_outside_the_box(platform_once):
    _, system, positions = water_system(bonds=False)
    context = platform_once.context(system)
    context.setPositions(positions)
    energy, forces = energy_and_forces(context)
    edge = system.getDefaultPeriodicBoxVectors()[0][0]._value
    positions[4] += [500 * edge, -300 * edge, 0]
    context.setPositions(positions)
    far, far_forces = energy_and_forces(context)
    assert far == pytest.approx(energy, rel=1e-4, abs=0.1)
    assert relative_error(far_forces, forces) < 5e-3  # single precision has few digits left at 300 nm
