"""Barostats and the pressure."""

import numpy as np
import openmm
import pytest
import torch
from openmm import unit
from support.models import tiny_model
from support.platforms import REFERENCE
from support.simulations import positions_of, water_system
from support.systems import energy_and_forces, relative_error

from openmm_polarmp import units

BAROSTATS = {
    "isotropic": lambda: openmm.MonteCarloBarostat(1000, 300, 1),
    "anisotropic": lambda: openmm.MonteCarloAnisotropicBarostat(
        openmm.Vec3(1000, 1000, 1000), 300, True, True, True, 1
    ),
    "flexible": lambda: openmm.MonteCarloFlexibleBarostat(1000, 300, 1),
}


@pytest.mark.parametrize("kind", BAROSTATS)
def test_after_moves_of_the_box_all_is_as_in_a_fresh_context(platform_once, kind):
    _, system, positions = water_system()
    plain = openmm.XmlSerializer.clone(system)
    system.addForce(BAROSTATS[kind]())
    integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.0002)
    context = platform_once.context(system, integrator)
    context.setPositions(positions)
    before = np.array(context.getState().getPeriodicBoxVectors()._value)
    integrator.step(30)
    state = context.getState(positions=True)
    box = state.getPeriodicBoxVectors()
    assert np.abs(np.array(box._value) - before).max() > 1e-5  # a move was accepted
    energy, forces = energy_and_forces(context)
    plain.setDefaultPeriodicBoxVectors(*box)
    other = platform_once.context(plain)
    other.setPositions(positions_of(context))
    expected, expected_forces = energy_and_forces(other)
    assert energy == pytest.approx(expected, rel=1e-4, abs=0.05)
    assert relative_error(forces, expected_forces) < 2e-3


def test_pressure_is_that_of_the_torch_virial():
    """OpenMM scales the molecules; here every atom is one, so that this is the atomic virial."""
    model = tiny_model().double()
    _, system, positions = water_system(model=model, bonds=False)
    barostat = openmm.MonteCarloBarostat(1, 300, 0)
    system.addForce(barostat)
    context = REFERENCE.context(system)
    context.setPositions(positions)
    pressure = barostat.computeCurrentPressure(context).value_in_unit(unit.bar)
    r = torch.tensor(10 * positions)
    edge = system.getDefaultPeriodicBoxVectors()[0][0].value_in_unit(unit.angstrom)
    species = torch.tensor([8, 1, 1] * (len(positions) // 3))
    strain = torch.zeros((), dtype=torch.float64, requires_grad=True)
    cell = torch.eye(3, dtype=torch.float64) * edge
    energy = model.energy(r * (1 + strain), species, cell * (1 + strain))
    (slope,) = torch.autograd.grad(energy, strain)
    expected = -slope.item() / (3 * edge**3) * units.EV_TO_KJ_PER_MOL * 1e3 * 16.6053907  # kJ/mol/A^3 -> bar
    assert pressure == pytest.approx(expected, rel=2e-3)


def test_a_box_that_shrinks_too_far_says_so(platform_once):
    _, system, positions = water_system(bonds=False)
    context = platform_once.context(system)
    context.setPositions(positions)
    energy = context.getState(energy=True).getPotentialEnergy()
    context.setPeriodicBoxVectors(*(np.eye(3) * 0.02))
    with pytest.raises((openmm.OpenMMException, ValueError), match=r"(?i)box|cell|mesh|volume"):
        context.setPositions(positions % 0.02)
        context.getState(energy=True)
    # and the Context can still be used
    context.setPeriodicBoxVectors(*system.getDefaultPeriodicBoxVectors())
    context.setPositions(positions)
    assert context.getState(energy=True).getPotentialEnergy()._value == pytest.approx(energy._value, rel=1e-6)
