"""Each fault ends in one clear exception; the Context can be used afterwards."""

import numpy as np
import openmm
import pytest
import torch
from support.simulations import water_system
from support.sources import DensitySource, force_with_source
from support.systems import energy_and_forces


def ions(fail_at, error, platform):
    """Eight ions on a lattice; the source raises at one of its evaluations."""
    source = DensitySource(torch.tensor([1.0, -1.0] * 4), fail_at=fail_at, error=error)
    system = openmm.System()
    for _ in range(8):
        system.addParticle(20.0)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * 1.0))
    system.addForce(force_with_source(source))
    context = platform.context(system, openmm.VerletIntegrator(0.0005))
    context.setPositions([(0.5 * i, 0.5 * j, 0.5 * k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    return source, context


@pytest.mark.parametrize(
    "error", [ValueError("at step 200"), KeyboardInterrupt(), torch.OutOfMemoryError("no memory left")]
)
def test_a_source_that_raises_in_the_middle_of_a_run(platform_once, error):
    source, context = ions(200, error, platform_once)
    with pytest.raises(type(error), match=str(error) or None):
        context.getIntegrator().step(400)
    assert source.calls["forward"] == 200
    # the state before is there, and the run can go on
    positions = context.getState(positions=True).getPositions(asNumpy=True)._value
    assert np.isfinite(positions).all()
    context.getIntegrator().step(3)
    assert np.isfinite(energy_and_forces(context)[0])


def test_files_written_before_a_fault_stay_readable(tmp_path):
    from openmm import app

    from openmm_polarmp.reporters import DipoleReporter

    topology, system, positions = water_system()
    integrator = openmm.VerletIntegrator(0.0002)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(positions)
    simulation.reporters += [
        DipoleReporter(str(tmp_path / "d.csv"), 2),
        app.CheckpointReporter(str(tmp_path / "c.chk"), 2),
    ]
    simulation.step(6)
    broken = positions.copy()
    broken[3, 1] = np.nan
    simulation.context.setPositions(broken)
    with pytest.raises(
        (openmm.OpenMMException, FloatingPointError, ValueError), match=r"(?i)nan|not a (finite )?number"
    ):
        simulation.step(2)
    assert len((tmp_path / "d.csv").read_text().splitlines()) == 4
    simulation.loadCheckpoint(str(tmp_path / "c.chk"))
    assert simulation.currentStep == 6
    simulation.step(2)
    assert len((tmp_path / "d.csv").read_text().splitlines()) == 5
