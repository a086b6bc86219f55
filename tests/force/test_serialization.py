"""XML, copies, pickles, and a force that OpenMM returns as a plain Force."""

import copy
import pickle

import numpy as np
import openmm
import pytest
from openmm import unit
from support.platforms import CPU, REFERENCE
from support.systems import TRICLINIC, energy_and_forces, make_force, make_system, random_atoms

from openmm_polarmp import FixedMultipoles, PolarMPForce


@pytest.fixture
def atoms():
    return random_atoms(6, TRICLINIC)


@pytest.fixture
def force(atoms):
    """Every setting differs from its default."""
    force = make_force(atoms, 2e-4)
    force.setParticles([5, 3, 4, 0, 1, 7])
    force.setSigma(0.12)
    force.setKMax(70)
    force.setEpsInf(1.7)
    force.setPMEParameters(20, 24, 30)
    force.setPolarizationType(PolarMPForce.NoPolarization)
    force.setEmbeddingCharges([2, 9, 6], [0.3, -0.4, 0.25])
    force.setEmbeddingScale(0.75)
    force.setEmbeddingKernel("point")
    force.setForceGroup(3)
    force.setName("electrostatics")
    return force


def check_same(a: PolarMPForce, b: PolarMPForce) -> None:
    for getter in (
        "getParticles getSigma getKMax getEpsInf getPMEParameters getPolarizationType getNonbondedMethod getForceGroup "
        "getName getEwaldErrorTolerance usesPeriodicBoundaryConditions getEmbeddingScale getEmbeddingKernel"
    ).split():
        assert getattr(a, getter)() == getattr(b, getter)(), getter
    assert a.getEmbeddingCharges()[0] == b.getEmbeddingCharges()[0]
    np.testing.assert_array_equal(a.getEmbeddingCharges()[1], b.getEmbeddingCharges()[1])
    for member in ("charges", "dipoles", "quadrupoles", "softness", "polarizability"):
        np.testing.assert_array_equal(getattr(a.getModel(), member), getattr(b.getModel(), member))


def test_round_trips(force):
    text = openmm.XmlSerializer.serialize(force)
    for other in (
        PolarMPForce.cast(openmm.XmlSerializer.deserialize(text)),
        copy.copy(force),
        copy.deepcopy(force),
        pickle.loads(pickle.dumps(force)),
    ):
        assert isinstance(other, PolarMPForce)
        check_same(other, force)
    assert force.getSigma() == 0.12 * unit.nanometer


def test_system_round_trip(atoms):
    system = make_system(len(atoms), atoms.cell, openmm.HarmonicBondForce(), make_force(atoms))

    def energy(s):
        context = REFERENCE.context(s)
        context.setPositions(0.1 * atoms.positions)
        return energy_and_forces(context)[0]

    expected = energy(system)
    text = openmm.XmlSerializer.serialize(system)
    for other in (openmm.XmlSerializer.deserialize(text), copy.deepcopy(system), pickle.loads(pickle.dumps(system))):
        assert energy(other) == expected
    found = [f for f in system.getForces() if PolarMPForce.isinstance(f)]
    assert len(found) == 1
    check_same(PolarMPForce.cast(found[0]), make_force(atoms))
    with pytest.raises(TypeError, match="HarmonicBondForce"):
        PolarMPForce.cast(system.getForce(0))


def test_absent_moments_stay_absent():
    force = copy.deepcopy(PolarMPForce(FixedMultipoles([1.0, -1.0])))
    assert force.getModel().dipoles is None
    assert force.getModel().polarizability is None


def test_newer_version_says_so(force):
    text = openmm.XmlSerializer.serialize(force).replace('version="4"', 'version="99"')
    with pytest.raises(openmm.OpenMMException, match=r"version 99.*newer"):
        openmm.XmlSerializer.deserialize(text)


def test_version_without_embedding():
    """XML of version 1 has no embedding charges."""
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    text = openmm.XmlSerializer.serialize(force)
    start, end = text.index("<Embedding"), text.index("<Source")
    old = (text[:start] + text[end:]).replace('version="4"', 'version="1"')
    read = PolarMPForce.cast(openmm.XmlSerializer.deserialize(old))
    check_same(read, force)
    assert read.getEmbeddingCharges()[0] == []


def test_checkpoint_continues(atoms):
    """On Reference a run continued from a checkpoint is the same run, bit for bit."""
    system = make_system(len(atoms), atoms.cell, make_force(atoms))
    context = REFERENCE.context(system, openmm.LangevinMiddleIntegrator(300, 1, 0.0005))
    context.setPositions(0.1 * atoms.positions)
    context.setVelocitiesToTemperature(300, 1)
    context.getIntegrator().step(3)
    checkpoint = context.createCheckpoint()
    context.getIntegrator().step(4)
    expected = context.getState(positions=True).getPositions(asNumpy=True)._value
    context.loadCheckpoint(checkpoint)
    context.getIntegrator().step(4)
    np.testing.assert_array_equal(context.getState(positions=True).getPositions(asNumpy=True)._value, expected)


def test_minimizer_first():
    """The minimizer as the first thing that is done with a Context."""
    # Atoms that repel each other and are held by springs, so that there is a minimum.
    atoms = random_atoms(12, TRICLINIC).without("dipoles", "quadrupoles", "softness", "polarizability")
    spring = openmm.CustomExternalForce("500*periodicdistance(x,y,z,x0,y0,z0)^2")
    for name in ("x0", "y0", "z0"):
        spring.addPerParticleParameter(name)
    for i, r in enumerate(0.1 * atoms.positions):
        spring.addParticle(i, r)
    for platform in (REFERENCE, CPU):
        system = make_system(12, atoms.cell, make_force(atoms, 1e-4), copy.deepcopy(spring))
        context = platform.context(system)
        context.setPositions(0.1 * atoms.positions)
        openmm.LocalEnergyMinimizer.minimize(context, 5.0)
        energy, forces = energy_and_forces(context)
        context.setPositions(0.1 * atoms.positions)
        start, start_forces = energy_and_forces(context)
        assert energy < start
        assert np.sqrt((forces**2).mean()) < 0.1 * np.sqrt((start_forces**2).mean())
