"""Distributions of known values, and out of a run's file."""

import mdtraj
import numpy as np
import openmm
import pytest
from openmm import app
from support.simulations import water_system
from support.systems import force_in

from openmm_polarmp.analysis import distribution, molecules_of
from openmm_polarmp.analysis.distributions import charges, dipoles
from openmm_polarmp.reporters import MultipoleFile, MultipoleReporter


def test_a_normal_distribution_in_blocks():
    rng = np.random.default_rng(0)
    blocks = [rng.normal(1.0, 0.5, (50, 40)) for _ in range(20)]
    found = distribution(blocks, -2, 4, 60)
    middle = 0.5 * (found.edges[1:] + found.edges[:-1])
    expected = np.exp(-0.5 * ((middle - 1) / 0.5) ** 2) / np.sqrt(2 * np.pi) / 0.5
    assert found.mean == pytest.approx(1.0, abs=0.01) and found.deviation == pytest.approx(0.5, abs=0.01)
    assert (found.density * np.diff(found.edges)).sum() == pytest.approx(1.0, abs=1e-3)
    # the error bars are those of counting, and the curve lies within a few of them
    counting = np.sqrt(expected / np.diff(found.edges) / 40_000)
    inside = expected > 0.05
    assert np.median(found.error[inside] / counting[inside]) == pytest.approx(1.0, abs=0.2)
    assert np.sqrt((((found.density - expected) / counting)[inside] ** 2).mean()) < 1.6


def test_what_lies_outside_counts():
    found = distribution([np.array([0.5, 5.0])], 0, 1, 1)
    assert found.density.tolist() == [0.5] and found.error is None and found.mean == 2.75


def test_wrong_arguments():
    with pytest.raises(ValueError, match="numbers above low"):
        distribution([np.zeros(3)], 1, 0)
    with pytest.raises(ValueError, match="blocks is without values"):
        distribution([], 0, 1)


def test_out_of_a_run(tmp_path):
    """Charges of oxygen and dipoles of some molecules, selected by mdtraj, against the getters."""
    topology, system, positions = water_system(4, bonds=False)
    force = force_in(system)
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(0.0002), openmm.Platform.getPlatformByName("CPU")
    )
    simulation.context.setPositions(positions)
    reporter = MultipoleReporter(tmp_path / "m", 1, chunk=2)
    simulation.reporters.append(reporter)
    simulation.step(3)
    reporter.flush()
    traj = mdtraj.Topology.from_openmm(topology)
    file = MultipoleFile(tmp_path / "m")
    oxygen = np.concatenate(list(charges(file, traj.select("element O"))))
    total = force.getCharges(simulation.context) + force.getInducedCharges(simulation.context)
    assert oxygen.shape == (3, 4)
    np.testing.assert_allclose(oxygen[-1], total[::3], atol=1e-6)
    chosen = molecules_of(traj, "resid 1 2")
    assert [m.tolist() for m in chosen] == [[3, 4, 5], [6, 7, 8]]
    found = np.concatenate(list(dipoles(file, chosen)))
    r = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    local = force.getTotalDipoles(simulation.context)
    expected = [np.linalg.norm(total[m] @ (r[m] - r[m].mean(0)) + local[m].sum(0)) for m in chosen]
    assert found.shape == (3, 2)
    np.testing.assert_allclose(found[-1], expected, rtol=1e-4)
