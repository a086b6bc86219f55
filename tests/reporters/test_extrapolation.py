"""Leaving the range of the training data is noticed: each measure alone."""

import io
import warnings

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.systems import energy_and_forces
from support.water import water

from openmm_polarmp import FixedMultipoles, PolarMPForce, units
from openmm_polarmp.models import TrainingRange
from openmm_polarmp.reporters import ExtrapolationReporter, ExtrapolationWarning

FAR = TrainingRange({(1, 1): 0.5, (1, 8): 0.5, (8, 8): 1.0}, 1e6)


def simulate(covered, reporter, periodic=True, steps=4, move=None):
    """Frozen water: what the reporter sees is what was placed."""
    model = tiny_model()
    model.training_range = covered
    topology, positions = water(4, periodic)
    if move is not None:
        positions = move(positions.copy())
    system = MLPotential("polarmp", modelPath=model).createSystem(topology)
    for i in range(system.getNumParticles()):
        system.setParticleMass(i, 0)
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(positions)
    simulation.reporters.append(reporter)
    simulation.step(steps)
    return simulation


def test_inside_nothing_is_said():
    out = io.StringIO()
    reporter = ExtrapolationReporter(out, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(FAR, reporter)
    assert reporter.violations == 0 and out.getvalue().count("\n") == 1


def test_a_short_distance_across_the_box_is_seen():
    """The second molecule's oxygen goes 0.08 nm from the first one's periodic image."""

    def move(positions):
        edge = 0.31 * 2
        positions[3:6] += positions[0] + [edge - 0.08, 0, 0] - positions[3]
        return positions

    out = io.StringIO()
    reporter = ExtrapolationReporter(out, 2)
    with pytest.warns(ExtrapolationWarning, match="O and O are 0.800 A apart; the training data went down to 1.000 A"):
        simulate(FAR, reporter, move=move)
    assert reporter.violations == 3 and reporter.reports == 3
    lines = out.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "4"]  # at once, then at the interval
    # without a box there is no image
    alone = ExtrapolationReporter(None, 2, action="record")
    simulate(FAR, alone, periodic=False, move=move)
    assert alone.violations == 0


def test_a_file_is_continued(tmp_path):
    path = tmp_path / "x.csv"
    closest = TrainingRange({(1, 1): 0.5, (1, 8): 1.0, (8, 8): 1.0}, None)  # water's O-H: 0.957 A
    for append in (False, True):
        simulate(closest, ExtrapolationReporter(path, 1, action="record", tolerance=0.0, append=append), steps=1)
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["step", "1", "1"]


def test_a_large_force_can_end_the_run():
    simulation = simulate(FAR, ExtrapolationReporter(None, 1, action="record"), steps=1)
    _, forces = energy_and_forces(simulation.context)
    largest = np.linalg.norm(forces, axis=1).max() / units.FORCE_TO_OPENMM
    for factor, ends in ((0.92, False), (0.9, True)):  # a tenth more is let pass
        covered = TrainingRange(FAR.smallest_distances, factor * largest)
        if ends:
            with pytest.raises(RuntimeError, match=r"step 1: outside the model's training range: a force of"):
                simulate(covered, ExtrapolationReporter(None, 1, action="raise"))
        else:
            simulate(covered, ExtrapolationReporter(None, 1, action="raise"))


def test_tolerance_is_in_nm():
    closest = {(1, 1): 0.5, (1, 8): 1.0, (8, 8): 1.0}  # water's O-H: 0.957 A
    for tolerance, expected in ((0.0, 1), (0.003, 1), (0.006, 0)):
        reporter = ExtrapolationReporter(None, 1, action="record", tolerance=tolerance)
        simulate(TrainingRange(closest, None), reporter, steps=1)
        assert reporter.violations == expected


def test_what_it_cannot_work_with():
    with pytest.raises(ValueError, match="action: expected one of warn, raise, record, got 'stop'"):
        ExtrapolationReporter(None, 1, action="stop")
    with pytest.raises(ValueError, match="says nothing of the range"):
        simulate(TrainingRange(), ExtrapolationReporter(None, 1))
    system = openmm.System()
    for _ in range(2):
        system.addParticle(1.0)
    topology = app.Topology()
    residue = topology.addResidue("X", topology.addChain())
    for _ in range(2):
        topology.addAtom("X", app.Element.getBySymbol("H"), residue)
    for forces, message in (([], "this one has 0"), ([PolarMPForce(FixedMultipoles([1.0, -1.0]))], "says nothing")):
        for force in forces:
            system.addForce(force)
        simulation = app.Simulation(
            topology, system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
        )
        simulation.context.setPositions(np.array([[0, 0, 0], [0.2, 0, 0]]) * unit.nanometer)
        simulation.reporters.append(ExtrapolationReporter(None, 1))
        with pytest.raises(ValueError, match=message):
            simulation.step(1)
