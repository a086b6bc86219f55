"""Runs of the shipped water model that go wrong: the reporter speaks at once, and is silent in ordinary ones."""

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp.demo.run import water_box
from openmm_polarmp.reporters import ExtrapolationReporter, ExtrapolationWarning


@pytest.fixture(scope="module")
def box():
    """Topology, positions and edge in nm of 32 molecules."""
    topology, positions = water_box(32)
    edge = topology.getPeriodicBoxVectors()[0][0].value_in_unit(unit.nanometer)
    return topology, np.array(positions.value_in_unit(unit.nanometer)), edge


def simulation(box, positions, edge, femtoseconds=0.5, relax=True):
    topology = box[0]
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    system = MLPotential("polarmp-water").createSystem(topology)
    integrator = openmm.LangevinMiddleIntegrator(300, 5, femtoseconds * unit.femtosecond)
    integrator.setRandomNumberSeed(1)
    run = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    run.context.setPositions(positions)
    if relax:
        run.minimizeEnergy(maxIterations=20)
        run.context.setVelocitiesToTemperature(300, 1)
    return run


def faults(box):
    """Name, run and what is said."""
    _, positions, edge = box
    apart = positions.copy()
    apart[:3] += [1.5, 0.2, 0.1]
    return {
        "angstrom as nm": (simulation(box, 10 * positions, edge, relax=False), "H is bonded to 0 of O"),
        "all in angstrom": (
            simulation(box, 10 * positions, 10 * edge, relax=False),
            "an atom of H has no H within 4.5 A",
        ),
        "10 fs": (simulation(box, positions, edge, 10.0), "a force of"),
        "a molecule evaporated": (simulation(box, apart, 3.0), "O has 2 neighbours within 4.5 A; in the training data"),
        "vacuum around": (simulation(box, positions, 3.0), "neighbours within 4.5 A; in the training data"),
    }


@pytest.mark.parametrize(
    "name", ["angstrom as nm", "all in angstrom", "10 fs", "a molecule evaporated", "vacuum around"]
)
def test_a_fault_stops_the_run_after_its_first_step(box, name):
    run, said = faults(box)[name]
    run.reporters.append(ExtrapolationReporter(None, 100, action="raise"))
    with pytest.raises(RuntimeError, match="step 1: outside the model's training range") as error:
        run.step(10)
    assert said in str(error.value) and "elements" not in str(error.value)


def test_an_overheated_run(box):
    """1000 K instead of 300 K: the energy, within 400 steps."""
    run = simulation(box, box[1], box[2])
    run.step(200)
    run.integrator.setTemperature(1000)
    run.integrator.setFriction(50)
    run.reporters.append(ExtrapolationReporter(None, 10))
    with pytest.warns(ExtrapolationWarning, match="outside the model's training range"):
        run.step(400)


def test_an_ordinary_run_is_silent(box, tmp_path):
    """Half a picosecond here; 24 ps are in docs/training-range.md."""
    run = simulation(box, box[1], box[2])
    reporter = ExtrapolationReporter(tmp_path / "outside.csv", 10)
    run.reporters.append(reporter)
    run.step(1000)
    assert reporter.violations == 0 and reporter.reports == 101
    assert len((tmp_path / "outside.csv").read_text().splitlines()) == 1
