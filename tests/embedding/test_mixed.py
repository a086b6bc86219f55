"""Part of a System with the model, the rest with a force field, as OpenMM-ML makes it."""

import copy

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.platforms import CPU
from support.systems import energy_and_forces, force_in, relative_error
from support.water import water


def mm_system(topology, positions, files, edge=None, **options):
    if edge is not None:
        topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    forcefield = app.ForceField(*files)
    modeller = app.Modeller(topology, positions * unit.nanometer)
    modeller.addExtraParticles(forcefield)
    system = forcefield.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=0.4 * unit.nanometer,
        constraints=None,
        rigidWater=True,
        **options,
    )
    return modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer)), system


def state(system, positions, platform=CPU, **parameters):
    context = platform.context(system)
    context.setPositions(positions)
    context.computeVirtualSites()
    for name, value in parameters.items():
        context.setParameter(name, value)
    return energy_and_forces(context)


@pytest.mark.parametrize("water_model", ["amber14/tip3p.xml", "amber14/tip4pew.xml"])
def test_one_molecule_of_water(platform_once, water_model):
    """The model's part of the forces is that of the model alone; only its atoms are the force's particles."""
    if platform_once.name == "OpenCL" and "tip3p" in water_model:
        pytest.skip("four-point water has the same kernels and one more kind of particle")
    topology, positions, mm = mm_system(*water(27), [water_model])
    residue = next(topology.residues())
    atoms = [a.index for a in residue.atoms() if a.element is not None]
    model = tiny_model(layers=1)
    mixed = MLPotential("polarmp", modelPath=model).createMixedSystem(topology, mm, atoms)
    force = force_in(mixed)
    assert force.getParticles() == atoms
    assert force.usesPeriodicBoundaryConditions()
    alone = app.Topology()
    part = alone.addResidue("HOH", alone.addChain())
    for symbol in "OHH":
        alone.addAtom(symbol, app.Element.getBySymbol(symbol), part)
    alone.setPeriodicBoxVectors(topology.getPeriodicBoxVectors())
    pure = MLPotential("polarmp", modelPath=model).createSystem(alone)
    expected, expected_forces = state(pure, positions[atoms], platform_once)
    force_group = 31
    force.setForceGroup(force_group)
    context = platform_once.context(mixed)
    context.setPositions(positions)
    context.computeVirtualSites()
    ours = context.getState(energy=True, forces=True, groups={force_group})
    assert ours.getPotentialEnergy()._value == pytest.approx(expected, rel=1e-5)
    assert relative_error(ours.getForces(asNumpy=True)._value[atoms], expected_forces) < 1e-4


def test_the_fourth_point_of_the_models_water():
    """It stays the force field's, but does nothing to the molecule it belongs to, nor to the molecule's images."""
    topology, positions, mm = mm_system(*water(1), ["amber14/tip4pew.xml"], edge=1.0, useDispersionCorrection=False)
    (fourth,) = (a.index for a in topology.atoms() if a.element is None)
    potential = MLPotential("polarmp", modelPath=tiny_model())
    info = potential.createMixedSystem(topology, mm, range(topology.getNumAtoms()), returnInfo=True, forceGroup=1)
    force = force_in(info["system"])
    assert fourth not in force.getParticles()
    assert [a.element for a in info["topology"].atoms()] == [a.element for a in topology.atoms()]
    context = CPU.context(info["system"])
    context.setPositions(positions)
    context.computeVirtualSites()
    rest = context.getState(energy=True, forces=True, groups={0})
    assert rest.getPotentialEnergy()._value == pytest.approx(0, abs=1e-3)
    assert np.abs(rest.getForces(asNumpy=True)._value).max() < 1e-2


@pytest.mark.parametrize("water_model", ["amber14/tip3p.xml", "amber14/tip4pew.xml"])
def test_interpolation(platform_once, water_model):
    """lambda 0 is the force field, 1 the mixed system, between them a straight line."""
    if platform_once.name == "OpenCL" and "tip3p" in water_model:
        pytest.skip("four-point water has the same kernels and one more kind of particle")
    topology, positions, mm = mm_system(*water(27), [water_model])
    atoms = [a.index for a in topology.atoms() if a.residue.index == 0 and a.element is not None]
    potential = MLPotential("polarmp", modelPath=tiny_model(layers=1))
    plain = potential.createMixedSystem(topology, mm, atoms)
    interpolated = potential.createMixedSystem(topology, mm, atoms, interpolate=True)
    mm_unconstrained = copy.deepcopy(mm)
    (e0, f0), (e1, f1) = (state(s, positions, platform_once) for s in (mm_unconstrained, plain))
    for value in (0.0, 0.5, 1.0):
        energy, forces = state(interpolated, positions, platform_once, lambda_interpolate=value)
        assert energy == pytest.approx((1 - value) * e0 + value * e1, rel=1e-4, abs=0.5)
        expected = (1 - value) * f0 + value * f1
        assert relative_error(forces, expected) < 2e-3


def test_a_cut_bond_is_capped_by_a_hydrogen():
    """Half of an ethane by the model: a virtual site on the bond, so that the model sees methane."""
    from openmm.app import element

    topology = app.Topology()
    residue = topology.addResidue("ETH", topology.addChain())
    carbons = [topology.addAtom(f"C{i}", element.carbon, residue) for i in (1, 2)]
    hydrogens = [topology.addAtom(f"H{i}", element.hydrogen, residue) for i in range(6)]
    topology.addBond(*carbons)
    for i, h in enumerate(hydrogens):
        topology.addBond(carbons[i // 3], h)
    positions = np.array([[0, 0, 0], [0.153, 0, 0]] + [[0] * 3] * 6)
    for i in range(6):
        angle = 2 * np.pi * (i % 3) / 3
        positions[2 + i] = [-0.036 if i < 3 else 0.189, 0.103 * np.cos(angle), 0.103 * np.sin(angle)]
    system = openmm.System()
    bonds = openmm.HarmonicBondForce()
    nonbonded = openmm.NonbondedForce()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
        nonbonded.addParticle(0.0, 0.3, 0.1)
    for bond in topology.bonds():
        bonds.addBond(bond[0].index, bond[1].index, 0.11, 1e5)
    nonbonded.createExceptionsFromBonds([(b[0].index, b[1].index) for b in topology.bonds()], 0, 0)
    system.addForce(bonds)
    system.addForce(nonbonded)
    potential = MLPotential("polarmp", modelPath=tiny_model((1, 6)))
    atoms = [0, 2, 3, 4]
    info = potential.createMixedSystem(topology, system, atoms, returnInfo=True, forceGroup=1)
    mixed = info["system"]
    (cap,) = (i for i in range(mixed.getNumParticles()) if mixed.isVirtualSite(i))
    assert force_in(mixed).getParticles() == [*atoms, cap]
    extended = np.zeros((mixed.getNumParticles(), 3))
    extended[info["oldToNew"]] = positions
    for each in (mixed, openmm.XmlSerializer.clone(mixed)):
        context = CPU.context(each, positions=extended)
        context.computeVirtualSites()
        ours = context.getState(energy=True, forces=True, positions=True, groups={1})
        methane = app.Topology()
        part = methane.addResidue("MET", methane.addChain())
        for symbol in "CHHHH":
            methane.addAtom(symbol, app.Element.getBySymbol(symbol), part)
        r = ours.getPositions(asNumpy=True)._value[[*atoms, cap]]
        assert 0.05 < np.linalg.norm(r[0] - r[4]) < 0.153
        energy, expected = state(potential.createSystem(methane), r)
        assert ours.getPotentialEnergy()._value == pytest.approx(energy, rel=1e-6)
        forces = ours.getForces(asNumpy=True)._value
        scale = np.abs(expected).max()
        np.testing.assert_allclose(forces[2:5], expected[1:4], atol=1e-5 * scale)
        # what acts on the virtual site goes to the carbons that it lies between
        np.testing.assert_allclose(forces[:2].sum(0), expected[0] + expected[4], atol=1e-5 * scale)
        assert np.abs(forces[5:8]).max() == 0
