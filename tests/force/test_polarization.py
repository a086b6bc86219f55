"""The polarization current, and the polarization that is summed up along a run (theory.md sections 6 and 12)."""

import io

import numpy as np
import openmm
import pytest
import torch
from openmm import app, unit
from support.models import tiny_model
from support.simulations import positions_of, water_system
from support.systems import force_in

from openmm_polarmp import units
from openmm_polarmp._born_charges import _multipoles
from openmm_polarmp.analysis import f_sum, infrared
from openmm_polarmp.electrostatics import born_effective_charges
from openmm_polarmp.reporters import DipoleReporter
from openmm_polarmp.reporters.columns import BORN_COLUMN, DIPOLE_COLUMNS, POLARIZATION_COLUMNS, VOLUME_COLUMN


def moving_water(periodic=True, platform="Reference", molecules=4, time_step=0.0001, **options):
    topology, system, positions = water_system(molecules, periodic, **options)
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(time_step), openmm.Platform.getPlatformByName(platform)
    )
    simulation.context.setPositions(positions)
    simulation.context.setVelocitiesToTemperature(300, 1)
    return simulation, force_in(system)


def total_dipole(force, context):
    """Of a cluster, e nm."""
    r, step = positions_of(context), force.getStepData(context)
    induced = step.induced_charges @ (r - step.softness @ r / step.softness.sum())
    return step.charges @ r + induced + step.dipoles.sum(0) + step.induced_dipoles.sum(0)


@pytest.mark.parametrize("evaluator", ["native", "torch"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_current_of_a_cluster_is_the_derivative_of_its_dipole(layers, evaluator):
    simulation, force = moving_water(periodic=False, model=tiny_model(layers=layers), evaluator=evaluator)
    context = simulation.context
    found = force.getPolarizationCurrent(context)
    state = context.getState(positions=True, velocities=True)
    r, v = (x._value for x in (state.getPositions(asNumpy=True), state.getVelocities(asNumpy=True)))
    ends = []
    for sign in (1, -1):
        context.setPositions(r + sign * 1e-5 * v)
        ends.append(total_dipole(force, context))
    np.testing.assert_allclose(found, (ends[0] - ends[1]) / 2e-5, atol=1e-5 * np.abs(found).max())


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
@pytest.mark.parametrize("evaluator", ["native", "torch"])
def test_the_current_of_a_box_is_that_of_torch_s_born_charges(platform, evaluator):
    """The box is wider than twice the network's reach, so that nearest images are those of the network's pairs."""
    simulation, force = moving_water(
        platform=platform, molecules=8, evaluator=evaluator, model=tiny_model(cutoff=3.0, layers=1)
    )
    force.setEpsInf(1.78)
    force.updateParametersInContext(simulation.context)
    state = simulation.context.getState(positions=True, velocities=True)
    r = torch.from_numpy(state.getPositions(asNumpy=True).value_in_unit(unit.angstrom))
    cell = torch.from_numpy(np.array(state.getPeriodicBoxVectors().value_in_unit(unit.angstrom)))
    born = born_effective_charges(
        r,
        lambda x: _multipoles(force.getModel(), x, cell),
        cell,
        sigma=force.getSigma().value_in_unit(unit.angstrom),
        accuracy=1e-6,
        eps_inf=1.78,
        induced_charges=False,
    )
    v = state.getVelocities(asNumpy=True)._value
    expected = np.einsum("iab,ib->a", born.value.detach().numpy(), v)
    found = force.getPolarizationCurrent(simulation.context)
    np.testing.assert_allclose(
        found, expected, atol=(1e-5 if platform == "Reference" else 2e-3) * np.abs(expected).max()
    )
    np.testing.assert_allclose(positions_of(simulation.context), r.numpy() * units.LENGTH_TO_OPENMM, atol=1e-7)


def table_of(out):
    titles, *rows = (line.split(",") for line in out.getvalue().splitlines())
    return titles, np.array(rows, dtype=float)


def polarization_in(out):
    titles, rows = table_of(out)
    return rows[:, [titles.index(name) for name in POLARIZATION_COLUMNS]]


@pytest.mark.parametrize("evaluator", ["native", "torch"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_polarization_of_molecules_in_a_large_box_is_plain(layers, evaluator):
    """Nothing is cut by the box, so that sum q r has one value."""
    simulation, force = moving_water(platform="CPU", model=tiny_model(layers=layers), evaluator=evaluator)
    context = simulation.context
    context.setPeriodicBoxVectors(*(3.0 * np.eye(3)))
    reference, out = [], io.StringIO()
    simulation.reporters.append(DipoleReporter(out, 10, current=True))
    for _ in range(3):
        simulation.step(10)
        reference.append(force.getCharges(context) @ positions_of(context))
    change = np.diff(reference, axis=0)
    np.testing.assert_allclose(np.diff(polarization_in(out), axis=0), change, atol=1e-2 * np.abs(change).max())


def shipped_water(molecules, time_step=0.0005):
    """Water with the shipped model at 300 K, in a box thinner than twice the network's reach."""
    from openmm_polarmp.demo.run import water_box
    from openmm_polarmp.mlpotential import PolarMPPotentialImpl

    topology, positions = water_box(molecules)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    PolarMPPotentialImpl("polarmp", "polarmp-water").addForces(topology, system, None, 0)
    integrator = openmm.LangevinMiddleIntegrator(300, 20, time_step)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy(maxIterations=20)
    simulation.context.setVelocitiesToTemperature(300, 1)
    return simulation


def test_the_polarization_does_not_depend_on_the_interval():
    simulation = shipped_water(20)
    simulation.step(50)
    fine, coarse = io.StringIO(), io.StringIO()
    simulation.reporters += [DipoleReporter(fine, 1), DipoleReporter(coarse, 4)]
    simulation.step(40)
    rows = polarization_in(fine)
    first = int(table_of(coarse)[1][0, 0] - table_of(fine)[1][0, 0])
    change = rows[first::4] - rows[first]
    np.testing.assert_allclose(polarization_in(coarse), change, atol=2e-2 * np.abs(change).max())


def test_a_spectrum_and_the_born_charges_agree_in_the_f_sum(monkeypatch):
    """The current's mean square is kT sum Z:Z/m in equilibrium. What is allowed is the scatter of a picosecond and a half."""
    from openmm_polarmp.reporters import dipole

    monkeypatch.setattr(dipole, "BORN_INTERVAL", 50)
    simulation = shipped_water(27)
    simulation.step(1000)
    out, energies = io.StringIO(), io.StringIO()
    simulation.reporters += [DipoleReporter(out, 4), app.StateDataReporter(energies, 4, temperature=True)]
    simulation.step(3000)
    titles, rows = table_of(out)
    names = [*POLARIZATION_COLUMNS, *DIPOLE_COLUMNS[3:]]
    polarization = rows[:, [titles.index(n) for n in names]].reshape(len(rows), 3, 3).sum(1)
    volume, temperature = rows[0, titles.index(VOLUME_COLUMN)], np.loadtxt(energies.getvalue().splitlines()[1:]).mean()
    spectrum = infrared(polarization, 0.002, volume, temperature)
    expected = f_sum(rows[:, titles.index(BORN_COLUMN)].mean(), volume)
    assert spectrum.integral(0, 4500) == pytest.approx(expected, rel=0.2)
