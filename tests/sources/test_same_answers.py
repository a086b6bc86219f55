"""Whatever a user asks of a force, its reporters and its model has the same answer with both evaluators."""

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.platforms import CPU, REFERENCE
from support.water import water

from openmm_polarmp import PolarMPForce
from openmm_polarmp.models import TrainingRange
from openmm_polarmp.reporters import (
    DipoleReporter,
    ExtrapolationReporter,
    MultipoleFile,
    MultipoleReporter,
    PolarizabilityReporter,
)

PLATFORMS = [REFERENCE, CPU]
GETTERS = (
    "getCharges getInducedCharges getLabFramePermanentDipoles getInducedDipoles getTotalDipoles getQuadrupoles getSoftness "
    "getPolarizabilities getSystemMultipoleMoments"
).split()
FIELD = {"polarmp_field_x": 0.3, "polarmp_field_y": -0.2, "polarmp_field_z": 0.1}  # V/nm


@pytest.fixture(scope="module")
def model():
    model = tiny_model(layers=1, cutoff=2.5)
    model.training_range = TrainingRange({(1, 8): 1.2, (1, 1): 0.5, (8, 8): 1.0}, None)
    return model


def contexts(model, platform, periodic=True, precision="double"):
    """One Context for each evaluator, and their forces."""
    topology, positions = water(8, periodic)
    positions = positions + 0.005 * np.random.default_rng(0).normal(size=positions.shape)
    for word in ("native", "torch"):
        system = MLPotential("polarmp", modelPath=model).createSystem(
            topology, precision=precision, evaluator=word, ewaldErrorTolerance=1e-6
        )
        context = platform.context(system)
        context.setPositions(positions)
        force = PolarMPForce.cast(system.getForce(0))
        assert force.getModel().evaluator == word
        yield context, force


def assert_same(found, expected, name, tolerance=1e-9):
    scale = np.abs(expected).max()
    assert np.abs(np.asarray(found) - expected).max() <= tolerance * scale, name


@pytest.mark.parametrize("platform", PLATFORMS, ids=str)
@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
def test_getters(model, platform, periodic):
    (context, force), (other, expected) = contexts(model, platform, periodic)
    for field in ({}, FIELD):
        for name, value in field.items():
            context.setParameter(name, value)
            other.setParameter(name, value)
        for name in GETTERS:
            assert_same(getattr(force, name)(context), getattr(expected, name)(other), name)
        gradients = expected.getMomentGradients(other)
        for name, value in force.getMomentGradients(context).items():
            assert_same(value, gradients[name], name)
        points = np.random.default_rng(1).random((5, 3))
        potential = expected.getElectrostaticPotential(points, other)
        assert_same(force.getElectrostaticPotential(points, context), potential, "potential")
        states = [c.getState(energy=True, forces=True) for c in (context, other)]
        energies = [s.getPotentialEnergy()._value for s in states]
        assert energies[0] == pytest.approx(energies[1], rel=1e-9)
        assert_same(states[0].getForces(asNumpy=True)._value, states[1].getForces(asNumpy=True)._value, "forces")
    born = expected.getBornEffectiveCharges(
        other
    )  # with the induced charges' part, for which native asks its model in torch
    assert_same(force.getBornEffectiveCharges(context), born, "born", 1e-7)


def test_single_precision_on_the_cpu_platform(model):
    """Rounding of two kinds: each is compared with double precision."""
    platform = CPU
    (_, _), (exact, _) = contexts(model, platform)
    expected = exact.getState(forces=True).getForces(asNumpy=True)._value
    for context, _ in contexts(model, platform, precision="single"):
        assert_same(context.getState(forces=True).getForces(asNumpy=True)._value, expected, "forces", 2e-5)


def reported(model, folder, word):
    """What the reporters write along a short run."""
    topology, positions = water(8)
    system = MLPotential("polarmp", modelPath=model).createSystem(topology, precision="double", evaluator=word)
    chosen = openmm.Platform.getPlatformByName("CPU")
    simulation = app.Simulation(topology, system, openmm.VerletIntegrator(0.05 * unit.femtosecond), chosen)
    simulation.context.setPositions(positions)
    folder.mkdir()
    watching = ExtrapolationReporter(str(folder / "outside.csv"), 1, action="record")
    simulation.reporters += [
        DipoleReporter(str(folder / "dipoles.csv"), 1, current=True),
        PolarizabilityReporter(str(folder / "alpha.csv"), 1),
        moments := MultipoleReporter(folder / "moments", 1),
        watching,
    ]
    simulation.step(3)
    moments.flush()
    simulation.reporters.clear()
    tables = [np.loadtxt(folder / name, delimiter=",", skiprows=1) for name in ("dipoles.csv", "alpha.csv")]
    (chunk,) = MultipoleFile(folder / "moments").chunks()
    return tables, chunk, watching.violations


def test_reporters(model, tmp_path):
    found, expected = (reported(model, tmp_path / word, word) for word in ("native", "torch"))
    for table, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(table, other, rtol=1e-6, atol=1e-9)
    for name, values in found[1].items():
        np.testing.assert_allclose(values, expected[1][name], rtol=1e-5, atol=1e-7, err_msg=name)
    assert found[2] == expected[2] == 3  # O-H is 0.957 A


@pytest.mark.parametrize("name", ["polarmp-water", "polarmp-bio-fast", "polarmp-demo-bio"])
def test_shipped_models(name):
    topology, positions = water(27)
    forces = []
    for word in ("native", "torch"):
        system = MLPotential(name).createSystem(topology, precision="double", evaluator=word)
        context = CPU.context(system)
        context.setPositions(positions)
        state = context.getState(energy=True, forces=True)
        forces.append((state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value))
    assert forces[0][0] == pytest.approx(forces[1][0], rel=1e-9)
    assert_same(forces[0][1], forces[1][1], "forces", 1e-8)


def test_mixed_systems_and_interpolation(model):
    """A part of a box by the model, the rest by a force field, switched on by a parameter."""
    topology, positions = water(27)
    forcefield = app.ForceField("amber14/tip3p.xml")
    base = forcefield.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=0.4, constraints=None)
    energies = []
    for word in ("native", "torch"):
        potential = MLPotential("polarmp", modelPath=model)
        system = potential.createMixedSystem(
            topology, base, list(range(12)), interpolate=True, evaluator=word, precision="double"
        )
        context = REFERENCE.context(system)  # the CPU platform's other forces are single
        context.setPositions(positions)
        for weight in (0.0, 0.5, 1.0):
            context.setParameter("lambda_interpolate", weight)
            energies.append(context.getState(energy=True).getPotentialEnergy()._value)
    np.testing.assert_allclose(energies[:3], energies[3:], rtol=1e-8)
    assert len(set(energies[:3])) == 3


def test_a_box_that_changes(model):
    """Under a barostat's moves the energies are those of torch."""
    (context, _), (other, _) = contexts(model, PLATFORMS[0])
    for scale in (1.02, 0.98):
        energies = []
        for each in (context, other):
            state = each.getState(positions=True)
            box = np.array(state.getPeriodicBoxVectors(asNumpy=True)._value)
            each.setPeriodicBoxVectors(*(box * scale))
            each.setPositions(state.getPositions(asNumpy=True)._value * scale)
            energies.append(each.getState(energy=True).getPotentialEnergy()._value)
        assert energies[0] == pytest.approx(energies[1], rel=1e-9)
