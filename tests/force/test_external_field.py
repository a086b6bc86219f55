"""The field is set in its units, and what is no field is refused."""

import io

import numpy as np
import openmm
import pytest
from openmm import app, unit
from support.platforms import PlatformChoice
from support.systems import energy_and_forces

from openmm_polarmp import FixedMultipoles, PolarMPForce
from openmm_polarmp.reporters import PolarizabilityReporter

VOLT = unit.volt


@pytest.fixture
def ions():
    """Force and Context of two charges."""
    system = openmm.System()
    for _ in range(2):
        system.addParticle(20.0)
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    system.addForce(force)
    context = PlatformChoice("Reference").context(system)
    context.setPositions([(0, 0, 0), (0.4, 0, 0)])
    return force, context


@pytest.mark.parametrize(
    "field",
    [
        (0.0, 0.5, 0.0),
        np.array([0.0, 0.5, 0.0]) * VOLT / unit.nanometer,
        unit.Quantity((0.0, 0.05, 0.0), VOLT / unit.angstrom),
        openmm.Vec3(0, 5e8, 0) * VOLT / unit.meter,
        [0.0 * VOLT / unit.nanometer, 0.5 * VOLT / unit.nanometer, 0.0 * VOLT / unit.nanometer],
        np.array([0.0, 0.5 * 96.48533212331, 0.0]) * unit.kilojoule_per_mole / unit.nanometer / unit.elementary_charge,
    ],
    ids=["numbers", "V/nm", "V/A", "V/m", "list", "kJ/mol/nm/e"],
)
def test_the_force_of_a_field_in_any_unit(ions, field):
    """A charge of 1 e in 0.5 V/nm: 48.24 kJ/mol/nm."""
    force, context = ions
    _, before = energy_and_forces(context)
    force.setExternalField(context, field)
    _, after = energy_and_forces(context)
    np.testing.assert_allclose((after - before)[:, 1], [48.242666, -48.242666], rtol=1e-6)
    force.setExternalField(context, (0, 0, 0))
    np.testing.assert_allclose(energy_and_forces(context)[1], before)


def test_what_is_no_field(ions):
    force, context = ions
    for field, message in (
        ("strong", "field is 'strong'; numbers of V/nm or a quantity of this dimension are accepted"),
        ((1.0, 2.0), "three finite numbers in V/nm"),
        ((np.nan, 0, 0), "three finite numbers"),
        ((0, 0, 1e-22), "field is 1e-22 V/nm; zero, or from 1e-09 to 100 V/nm"),
        ((0, 1e9, 0), r"field is 1e\+09 V/nm"),
        ((0, 0, 1) * unit.nanometer, "field is in nanometer; units of a field"),
    ):
        with pytest.raises(ValueError, match=message):
            force.setExternalField(context, field)
    system = openmm.System()
    system.addParticle(1.0)
    with pytest.raises(ValueError, match="one with a PolarMPForce is accepted"):
        force.setExternalField(PlatformChoice("Reference").context(system), (0, 0, 1))


def test_a_parameter_whose_unit_openmm_stripped(ions):
    """Context.setParameter converts to daltons, nanometers and picoseconds: a reporter warns of what that leaves."""
    context = ions[1]
    context.setParameter("polarmp_field_z", 0.5 * VOLT / unit.nanometer)
    assert 0 < context.getParameter("polarmp_field_z") != 0.5
    topology = app.Topology()
    residue = topology.addResidue("X", topology.addChain())
    for _ in range(2):
        topology.addAtom("X", app.Element.getBySymbol("Na"), residue)
    simulation = app.Simulation(topology, context.getSystem(), openmm.VerletIntegrator(1e-4), context.getPlatform())
    simulation.context.setPositions([(0, 0, 0), (0.4, 0, 0)])
    simulation.context.setParameter("polarmp_field_z", 1e-22)
    simulation.reporters.append(PolarizabilityReporter(io.StringIO(), 1))
    with pytest.warns(UserWarning, match="field is 1e-22 V/nm; zero, or from"):
        simulation.step(1)
