"""What surrounds a box (theory.md section 10), against dense sums in torch and among the platforms."""

from dataclasses import replace

import numpy as np
import openmm
import pytest
from openmm import unit
from support.embedding import random_charges
from support.oracle import dense
from support.platforms import CPU, PLATFORMS, REFERENCE, usable
from support.systems import (
    CUBIC,
    MOMENTS,
    Atoms,
    energy_and_forces,
    evaluate,
    make_force,
    make_system,
    random_atoms,
    relative_error,
)

from openmm_polarmp import FixedMultipoles, PolarMPForce
from openmm_polarmp.electrostatics import Mutual

TILTED = np.array([[1.0, 0, 0], [0.4, 0.9, 0], [0.1, 0.05, 1.8]])
BOUNDARIES = ("slab_z", "vacuum")


def atoms_in(shape, boundary, n=24):
    """With polarizabilities that cannot amplify each other without limit."""
    atoms = random_atoms(n, shape, charged=boundary == "slab_z")
    return replace(atoms, polarizability=0.4 * atoms.polarizability)


def surrounded(atoms, boundary, tolerance=1e-4):
    force = make_force(atoms, tolerance)
    force.setBoundary(boundary)
    return force


@pytest.mark.parametrize("shape", [CUBIC, TILTED], ids=["cubic", "tilted"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_reference_equals_dense_sums(boundary, shape):
    atoms = atoms_in(shape, boundary)
    energy, forces, force, context = evaluate(atoms, REFERENCE, force=surrounded(atoms, boundary))
    expected_energy, expected_forces, expected_gradients = dense(atoms, boundary=boundary)
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-9
    gradients = force.getMomentGradients(context)
    for name in ("charges", "dipoles", "softness", "polarizability"):
        expected = expected_gradients[name]
        assert np.abs(gradients[name] - expected).max() <= 1e-9 * np.abs(expected).max(), name
    assert abs(evaluate(atoms, REFERENCE)[0] - energy) > 1e-3 * abs(energy)


@pytest.mark.parametrize("choice", PLATFORMS, ids=str)
@pytest.mark.parametrize(
    ("boundary", "mutual"),
    [("slab_z", False), ("slab_z", True), ("vacuum", False)],
    ids=["slab", "slab, mutual", "vacuum"],
)
def test_platforms(boundary, mutual, choice):
    """With point charges of a force field around, in a field, and with response of both kinds."""
    usable(choice)
    if choice.precision in ("single", "double") and (mutual or boundary == "vacuum"):
        pytest.skip("the kernels of a slab are those of all; mixed precision has the others")
    atoms = atoms_in(TILTED, boundary)
    if mutual and boundary == "slab_z":
        atoms = atoms.without("softness")  # a slab that may take up a charge lowers its energy without limit
    system = random_charges(atoms, 20, charged=boundary == "slab_z")
    results = []
    for platform in (choice, REFERENCE):
        force = system.force(1e-4)
        force.setBoundary(boundary)
        if mutual:
            force.setPolarizationType(PolarMPForce.Mutual)
        context = platform.context(make_system(len(system.positions), atoms.cell, force), positions=system.positions)
        force.setExternalField(context, (0.3, 0.1, -0.5))
        potential = force.getElectrostaticPotential(0.1 * np.array([[1.0, 2.0, 3.0], [4.0, 3.0, 9.0]]), context)
        results.append((*energy_and_forces(context), np.asarray(unit_free(potential))))
    (energy, forces, potential), (expected_energy, expected_forces, expected_potential) = results
    assert relative_error(forces, expected_forces) < 5e-4
    assert energy == pytest.approx(expected_energy, rel=1e-4)
    assert relative_error(potential, expected_potential) < 1e-3


def unit_free(value):
    return value.value_in_unit_system(unit.md_unit_system) if unit.is_quantity(value) else value


def test_embedding_equals_charges_among_the_multipoles():
    """Atoms and charges of a slab in one dense sum, less what the charges do to each other."""
    atoms = atoms_in(TILTED, "slab_z", 16)
    system = random_charges(atoms, 20, charged=True)
    force = system.force()
    force.setBoundary("slab_z")
    context = REFERENCE.context(make_system(36, atoms.cell, force), positions=system.positions)
    energy, forces = energy_and_forces(context)

    def joined(values):
        return np.concatenate([values, np.zeros((20, *values.shape[1:]))])

    together = Atoms(
        np.concatenate([atoms.positions, system.places]),
        np.concatenate([atoms.charges, system.charges]),
        *(joined(getattr(atoms, name)) for name in MOMENTS),
        cell=atoms.cell,
    )
    alone = Atoms(system.places, system.charges, cell=atoms.cell)
    expected_energy, expected_forces, _ = dense(together, boundary="slab_z")
    own_energy, own_forces, _ = dense(alone, boundary="slab_z")
    expected_forces[16:] -= own_forces
    assert energy == pytest.approx(expected_energy - own_energy, rel=1e-9)
    assert relative_error(forces, expected_forces) < 1e-8


def test_vacuum_does_not_matter_to_a_slab():
    atoms = random_atoms(20, CUBIC, charged=True)
    results = []
    for height in (30.0, 60.0):
        cell = atoms.cell.copy()
        cell[2, 2] = height
        placed = Atoms(atoms.positions, atoms.charges, *(getattr(atoms, m) for m in MOMENTS), cell=cell)
        force = surrounded(placed, "slab_z")
        force.setPolarizationType(PolarMPForce.NoPolarization)
        results.append(evaluate(placed, REFERENCE, force=force)[:2])
    (energy, forces), (expected_energy, expected_forces) = results
    assert energy == pytest.approx(expected_energy, abs=1e-3)
    assert relative_error(forces, expected_forces) < 1e-6


def test_mutual_slab_equals_dense_sums():
    atoms = atoms_in(TILTED, "slab_z").without("softness")
    force = surrounded(atoms, "slab_z")
    force.setPolarizationType(PolarMPForce.Mutual)
    force.setMutualInducedTargetEpsilon(1e-12)
    energy, forces, _, _ = evaluate(atoms, REFERENCE, force=force)
    expected_energy, expected_forces, _ = dense(atoms, boundary="slab_z", mutual=Mutual(1e-12))
    assert energy == pytest.approx(expected_energy, rel=1e-9)
    assert relative_error(forces, expected_forces) < 1e-8


def test_settings_survive_copies_and_changes():
    atoms = random_atoms(10, TILTED)
    force = surrounded(atoms, "slab_z")
    copy = PolarMPForce.cast(openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(force)))
    assert copy.getBoundary() == "slab_z"
    *_, force, context = evaluate(atoms, CPU, force=force)
    force.setBoundary("conducting")
    force.updateParametersInContext(context)
    assert energy_and_forces(context)[0] == pytest.approx(evaluate(atoms, CPU, 1e-4)[0], rel=1e-6)


@pytest.mark.parametrize("choice", PLATFORMS, ids=str)
def test_refusals(choice):
    usable(choice)
    force = PolarMPForce(FixedMultipoles([1.0, -0.5]))
    with pytest.raises(ValueError, match=r"boundary is 'slab'; \['conducting', 'slab_z', 'vacuum'\] are accepted"):
        force.setBoundary("slab")
    force.setBoundary("vacuum")
    force.setNonbondedMethod(PolarMPForce.PME)
    context = choice.context(make_system(2, 20 * np.eye(3), force), positions=[[0, 0, 0], [0.5, 0, 0]])
    with pytest.raises(openmm.OpenMMException, match=r"boundary is 'vacuum' and the box has a charge of 0\.5 e"):
        context.getState(forces=True)
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    force.setBoundary("vacuum")
    with pytest.raises(openmm.OpenMMException, match="boundary is 'vacuum' without a periodic box"):
        choice.context(make_system(2, None, force))


def test_a_context_refuses_what_its_making_refuses():
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    context = REFERENCE.context(make_system(2, None, force), positions=[[0, 0, 0], [0.5, 0, 0]])
    force.setBoundary("slab_z")
    with pytest.raises(RuntimeError, match="boundary is 'slab_z' without a periodic box"):
        force.updateParametersInContext(context)
