"""The force is found in mixed systems whose energy is interpolated, where it stands in a CustomCVForce."""

import gc
import io

import numpy as np
import openmm
import pytest
from openmm import app
from openmmml import MLPotential
from support.models import tiny_model
from support.platforms import CPU
from support.systems import energy_and_forces

from openmm_polarmp import PolarMPForce
from openmm_polarmp.embedding.find import find_force
from openmm_polarmp.external_field import external_field
from openmm_polarmp.reporters import DipoleReporter, PolarizabilityReporter

from .test_electrostatic import water_in_water


@pytest.mark.parametrize("embedding", ["mechanical", "electrostatic"])
def test_getters_and_reporters_find_an_interpolated_force(embedding):
    topology, positions, mm, atoms = water_in_water(27)
    potential = MLPotential("polarmp", modelPath=tiny_model())
    results = []
    for interpolate in (False, True):
        system = potential.createMixedSystem(topology, mm, atoms, embedding=embedding, interpolate=interpolate)
        simulation = app.Simulation(
            topology, system, openmm.VerletIntegrator(0.0001), openmm.Platform.getPlatformByName("CPU")
        )
        simulation.context.setPositions(positions)
        if interpolate:
            simulation.context.setParameter("lambda_interpolate", 1.0)
        out = io.StringIO()
        simulation.reporters += [DipoleReporter(out, 2), PolarizabilityReporter(io.StringIO(), 2)]
        simulation.step(2)
        force, context = find_force(simulation.context)
        results.append((force.getCharges(context), np.array(out.getvalue().splitlines()[1].split(","), dtype=float)))
    (charges, row), (charges_inside, row_inside) = results
    np.testing.assert_allclose(charges_inside, charges, atol=1e-5)
    np.testing.assert_allclose(row_inside, row, atol=1e-4)


def test_a_field_of_an_interpolated_force():
    """Set in the Context of the getters it acts on the atoms, as if it were set in that of the Simulation."""
    topology, positions, mm, atoms = water_in_water(27)
    system = MLPotential("polarmp", modelPath=tiny_model()).createMixedSystem(topology, mm, atoms, interpolate=True)
    contexts = [CPU.context(system, positions=positions) for _ in range(2)]
    found = []
    for outer, inside in zip(contexts, (False, True), strict=True):
        outer.setParameter("lambda_interpolate", 1.0)
        _, before = energy_and_forces(outer)
        force, inner = find_force(outer)
        dipoles = force.getInducedDipoles(inner)
        force.setExternalField(inner if inside else outer, (0, 0, 2.0))
        if inside:
            assert (force.getInducedDipoles(inner) - dipoles)[:, 2].sum() > 0
        found.append(energy_and_forces(outer)[1] - before)
        assert list(external_field(inner)) == list(external_field(outer)) == [0, 0, 2.0]
    assert np.abs(found[0]).max() > 1
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)


def test_the_force_keeps_its_system():
    topology, positions, mm, atoms = water_in_water(27)
    system = MLPotential("polarmp", modelPath=tiny_model()).createMixedSystem(topology, mm, atoms)
    force, context = find_force(CPU.context(system, positions=positions))
    del system
    gc.collect()
    assert len(force.getCharges(context)) == len(atoms)


def test_none_is_an_error():
    system = openmm.System()
    system.addParticle(1.0)
    with pytest.raises(ValueError, match="the Context has 0 PolarMPForces; one is accepted"):
        find_force(CPU.context(system))
    assert not any(PolarMPForce.isinstance(f) for f in system.getForces())


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"presicion": "double"}, TypeError, r"unknown keywords \['presicion'\] \(is 'precision' meant\?\)"),
        ({"embeddingScal": 1, "embedding": "electrostatic"}, TypeError, r"is 'embeddingScale' meant"),
    ],
)
def test_unknown_keywords_name_the_nearest(keywords, error, message):
    topology, _, mm, atoms = water_in_water(27)
    with pytest.raises(error, match=message):
        MLPotential("polarmp", modelPath=tiny_model()).createMixedSystem(topology, mm, atoms, **keywords)
