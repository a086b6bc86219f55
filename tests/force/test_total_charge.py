"""Given total charges and Fermi levels with mutual response (theory.md section 9), against dense sums in torch and differences."""

import numpy as np
import openmm
import pytest
import torch
from openmm import unit
from support.embedding import random_charges
from support.flows import exchange
from support.oracle import dense
from support.platforms import CPU, PLATFORMS, REFERENCE, usable
from support.systems import (
    CUBIC,
    TRICLINIC,
    Atoms,
    constrained_force,
    energy_and_forces,
    evaluate,
    make_system,
    random_atoms,
    relative_error,
    sums_of_groups,
)

from openmm_polarmp import FixedMultipoles, PolarMPForce, units
from openmm_polarmp._polarizability import system_polarizability
from openmm_polarmp.electrostatics import Mutual, TotalCharge

BOXES = {"cubic": CUBIC, "triclinic": TRICLINIC, "cluster": None}
FIELD = (0.1, -0.2, 0.15)  # V/A
HOSTS = [REFERENCE, CPU]

CHARGES = {"all": [0.5], "groups": [0.7, -0.4, 0.0]}


def shares_of(kind, n):
    """The charges, the groups as `setTotalChargeConstraint` takes them, and the same for torch."""
    charges = CHARGES[kind]
    group = np.random.default_rng(3).integers(len(charges), size=n)
    members = None if kind == "all" else [np.flatnonzero(group == g).tolist() for g in range(len(charges))]
    return charges, members, TotalCharge(torch.tensor(charges, dtype=torch.float64), torch.tensor(group))


@pytest.mark.parametrize("kind", CHARGES)
@pytest.mark.parametrize("box", BOXES)
def test_reference_equals_dense_sums(box, kind):
    """Energy, forces, derivatives by all moments and the levels; in a cluster in a field."""
    atoms = random_atoms(24, BOXES[box], charged=True)
    charges, groups, expected_charges = shares_of(kind, 24)
    force = constrained_force(atoms, charges, groups)
    context = REFERENCE.context(make_system(24, atoms.cell, force), positions=0.1 * atoms.positions)
    options = {"mutual": Mutual(1e-13), "total_charge": expected_charges}
    if box == "cluster":
        options["external_field"] = torch.tensor(FIELD, dtype=torch.float64)
        force.setExternalField(context, 10 * np.array(FIELD))
    energy, forces = energy_and_forces(context)
    expected_charges.charges.requires_grad_()
    expected_energy, expected_forces, expected_gradients = dense(atoms, **options)
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-9
    gradients = force.getMomentGradients(context)
    for name, expected in expected_gradients.items():
        if name == "quadrupoles":
            expected = 0.5 * (expected + expected.transpose(0, 2, 1))
        assert np.abs(gradients[name] - expected).max() <= 1e-8 * np.abs(expected).max(), name
    np.testing.assert_allclose(sums_of_groups(force.getStepData(context), groups), charges, atol=1e-12)
    # the level of a group is minus the derivative of the energy by its charge
    levels, step = force.getFermiLevelsInContext(context), 1e-3
    for g in range(len(charges)):
        energies = []
        for sign in (1, -1):
            changed = np.array(charges)
            changed[g] += sign * step
            force.setTotalChargeConstraint(changed, groups)
            force.updateParametersInContext(context)
            energies.append(energy_and_forces(context)[0])
        assert levels[g] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=1e-5)


CASES = {"single": ("cubic", "all"), "mixed": ("triclinic", "groups"), "double": ("cluster", "groups")}
PLATFORM_CASES = [(CPU, *case) for case in CASES.values()]
PLATFORM_CASES += [(choice, *CASES[choice.precision]) for choice in PLATFORMS if choice.precision]


@pytest.mark.parametrize(("choice", "box", "kind"), PLATFORM_CASES, ids=str)
def test_platforms(choice, box, kind):
    usable(choice)
    atoms = random_atoms(60, BOXES[box], charged=True)
    charges, groups, _ = shares_of(kind, 60)
    results = []
    for platform, epsilon in ((choice, 1e-4 if choice.precision == "single" else 1e-6), (REFERENCE, 1e-10)):
        force = constrained_force(atoms, charges, groups, 1e-4, epsilon)
        context = platform.context(make_system(60, atoms.cell, force), positions=0.1 * atoms.positions)
        if box == "cluster":
            force.setExternalField(context, 10 * np.array(FIELD))
        results.append((*energy_and_forces(context), force.getStepData(context)))
    (energy, forces, data), (expected_energy, expected_forces, expected) = results
    assert relative_error(forces, expected_forces) < 5e-4
    assert energy == pytest.approx(expected_energy, rel=1e-4)
    assert relative_error(data.induced_charges, expected.induced_charges) < 1e-3
    np.testing.assert_allclose(data.fermi_levels, expected.fermi_levels, rtol=1e-3)
    np.testing.assert_allclose(
        sums_of_groups(data, groups), charges, atol=2e-5 if choice.precision == "single" else 1e-6
    )
    assert 2 < data.iterations < 30


@pytest.mark.parametrize("choice", HOSTS, ids=str)
def test_derivatives_by_differences(choice):
    """In a field, and with atoms in no group, whose charges see the field from the centre of their softness."""
    atoms = random_atoms(20, None)
    groups = [[3, 0, 7], [12, 5]]
    force = constrained_force(atoms, [0.8, -0.3], groups, 1e-4, 1e-11)
    context = choice.context(make_system(20, None, force), positions=0.1 * atoms.positions)
    force.setExternalField(context, 10 * np.array(FIELD))
    _, forces = energy_and_forces(context)
    gradients = force.getMomentGradients(context)

    def slope(change, step):
        energies = []
        for sign in (1, -1):
            change(sign * step)
            energies.append(energy_and_forces(context)[0])
        change(0.0)
        return (energies[0] - energies[1]) / (2 * step)

    for atom, axis in ((0, 0), (7, 1), (15, 2)):

        def move(step, atom=atom, axis=axis):
            moved = 0.1 * atoms.positions
            moved[atom, axis] += step
            context.setPositions(moved)

        assert abs(slope(move, 1e-4) + forces[atom, axis]) < 1e-6 * np.abs(forces).max()
    for name, unit_of_moment, atom in (
        ("charges", 1.0, 7),
        ("softness", units.SOFTNESS_TO_OPENMM, 7),
        ("softness", units.SOFTNESS_TO_OPENMM, 15),
    ):

        def set_moment(step, name=name, atom=atom):
            members = atoms.moments().members()
            members[name][atom] += step
            force.setModel(FixedMultipoles(**members))
            force.updateParametersInContext(context)

        expected = gradients[name][atom] * unit_of_moment
        assert slope(set_moment, 1e-5) == pytest.approx(expected, rel=1e-5, abs=1e-3), name


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_fermi_level(box):
    """A reservoir with the level of a total charge gives that charge, the same forces, and the Legendre transform of the energy."""
    atoms = random_atoms(24, BOXES[box], charged=True)
    energy, forces, force, context = evaluate(atoms, REFERENCE, force=constrained_force(atoms, 0.5))
    (level,) = force.getFermiLevelsInContext(context)
    for choice, rounding in ((CPU, 5e-4), (REFERENCE, 1e-9)):
        force = constrained_force(atoms)
        force.setFermiLevel(level)
        grand_energy, grand_forces, _, context = evaluate(atoms, choice, force=force)
        (charge,) = sums_of_groups(force.getStepData(context), None)
        assert charge == pytest.approx(0.5, abs=rounding)
        assert grand_energy == pytest.approx(energy + 0.5 * level, rel=rounding)
        assert relative_error(grand_forces, forces) < rounding
        assert force.getFermiLevelsInContext(context) == pytest.approx([level])
    # The energy is quadratic in the level, and its derivative is the charge: electrons come in where the level is higher.
    force.setFermiLevel((level / units.EV_TO_KJ_PER_MOL + 0.5) * unit.ev)
    assert force.getFermiLevel()._value == pytest.approx(level + 0.5 * units.EV_TO_KJ_PER_MOL)
    force.updateParametersInContext(context)
    change = energy_and_forces(context)[0] - grand_energy
    (charge,) = sums_of_groups(force.getStepData(context), None)
    assert charge < 0.45
    assert change == pytest.approx(0.5 * (charge + 0.5) * 0.5 * units.EV_TO_KJ_PER_MOL, rel=1e-8)


@pytest.mark.parametrize(
    "choice", [p for p in PLATFORMS if p.precision in (None, "mixed") and p is not REFERENCE], ids=str
)
def test_fermi_level_on_platforms(choice):
    usable(choice)
    atoms = random_atoms(30, TRICLINIC, charged=True)
    results = []
    for platform in (choice, REFERENCE):
        force = constrained_force(atoms, epsilon=1e-6)
        force.setFermiLevel(-200)
        results.append(evaluate(atoms, platform, force=force)[:2])
    (energy, forces), (expected_energy, expected_forces) = results
    assert relative_error(forces, expected_forces) < 5e-4
    assert energy == pytest.approx(expected_energy, rel=1e-4)


def test_box_that_changes():
    """The result is that of a Context which has known no other box."""
    atoms = random_atoms(24, CUBIC, charged=True)
    charges, groups = [0.7, -0.4], [list(range(10)), list(range(10, 24))]
    force = constrained_force(atoms, charges, groups, epsilon=1e-8)
    system = make_system(24, atoms.cell, force)
    context = CPU.context(system, positions=0.1 * atoms.positions)
    energy_and_forces(context)
    fresh = CPU.context(system, positions=0.1 * atoms.positions)
    for changed in (context, fresh):
        changed.setPeriodicBoxVectors(*(0.103 * atoms.cell))
    (energy, forces), (expected_energy, expected_forces) = energy_and_forces(context), energy_and_forces(fresh)
    assert energy == pytest.approx(expected_energy, rel=1e-7)
    assert relative_error(forces, expected_forces) < 1e-6
    np.testing.assert_allclose(sums_of_groups(force.getStepData(context), groups), charges, atol=1e-7)


@pytest.mark.parametrize("boundary", ["slab_z", "vacuum"])
def test_boundaries(boundary):
    """A charged slab; and a box in vacuum, of which the charge that it gets counts."""
    atoms = random_atoms(20, CUBIC, charged=True)
    charge = 0.6 if boundary == "slab_z" else 0.0
    total = TotalCharge(torch.tensor([charge], dtype=torch.float64))
    expected_energy, expected_forces, _ = dense(atoms, boundary=boundary, mutual=Mutual(1e-13), total_charge=total)
    force = constrained_force(atoms, charge)
    force.setBoundary(boundary)
    energy, forces, _, context = evaluate(atoms, REFERENCE, force=force)
    assert energy == pytest.approx(expected_energy, rel=1e-9)
    assert relative_error(forces, expected_forces) < 1e-8
    if boundary == "vacuum":
        force.setTotalChargeConstraint(0.6)
        force.updateParametersInContext(context)
        with pytest.raises(openmm.OpenMMException, match=r"the box has a charge of 0\.6"):
            context.getState(energy=True)


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_flows(box):
    """Charge flows between neighbours as well; it stays within the one group of all."""
    case = exchange(box, n=8, soft=True)

    def setup(force):
        force.setPolarizationType(PolarMPForce.Mutual)
        force.setMutualInducedTargetEpsilon(1e-12)
        force.setTotalChargeConstraint(1.5)

    force, context = case.context(REFERENCE, setup=setup)
    energy, forces = energy_and_forces(context)
    total = TotalCharge(torch.tensor([1.5], dtype=torch.float64))
    expected_energy, expected_forces, result = case.in_torch(mutual=Mutual(1e-13), total_charge=total)
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-8
    np.testing.assert_allclose(force.getInducedCharges(context), result.induced_charges.detach().numpy(), atol=1e-9)
    force.setTotalChargeConstraint([1.0, 0.5], [[0, 1], [2, 3]])
    with pytest.raises(RuntimeError, match="has groups, between which charge of this source can flow"):
        force.updateParametersInContext(context)


@pytest.mark.parametrize("choice", HOSTS, ids=str)
def test_embedding(choice):
    """Charges of a force field polarize the atoms and are not counted among theirs."""
    atoms = random_atoms(20, TRICLINIC, charged=True)
    system = random_charges(atoms, 30)
    force = system.force(1e-4)
    force.setPolarizationType(PolarMPForce.Mutual)
    force.setMutualInducedTargetEpsilon(1e-9)
    force.setTotalChargeConstraint(0.5)
    context = choice.context(make_system(50, atoms.cell, force), positions=system.positions)
    energy, forces = energy_and_forces(context)
    group = torch.tensor([0] * 20 + [1] * 30)
    total = TotalCharge(torch.tensor([0.5, system.charges.sum()], dtype=torch.float64), group)
    expected_energy, expected_forces, _ = dense(system.as_atoms(), mutual=Mutual(1e-12), total_charge=total)
    energy_alone, forces_alone, _ = dense(Atoms(system.places, system.charges, cell=atoms.cell))
    expected_forces[20:] -= forces_alone
    assert relative_error(forces, expected_forces) < (1e-7 if choice is REFERENCE else 5e-4)
    assert energy == pytest.approx(expected_energy - energy_alone, rel=1e-8 if choice is REFERENCE else 1e-4)


def test_polarizability_and_current_of_a_cluster_with_groups():
    """Induced charges of groups count from the origin, those of other atoms from the centre of their softness."""
    atoms = random_atoms(12, None, charged=True)
    force = constrained_force(atoms, [0.7, -0.4], [[13, 2, 5], [3, 7]], epsilon=1e-11)
    force.setParticles(range(2, 14))
    r = np.vstack([np.zeros((2, 3)), 0.1 * atoms.positions])
    context = REFERENCE.context(make_system(14, None, force), positions=r)
    v = np.random.default_rng(0).normal(size=r.shape)
    context.setVelocities(v)

    def dipole():
        """Minus the derivative of the energy by a field."""
        energies = []
        for field in np.vstack([np.eye(3), -np.eye(3)]):
            force.setExternalField(context, 10 * field)
            energies.append(energy_and_forces(context)[0])
        force.setExternalField(context, [0, 0, 0])
        return (np.array(energies[3:]) - energies[:3]) / 20 / units.POTENTIAL_TO_OPENMM  # kJ/mol/(V/nm) to e nm

    current = force.getPolarizationCurrent(context)
    ends = []
    for sign in (1, -1):
        context.setPositions(r + sign * 1e-5 * v)
        ends.append(dipole())
    np.testing.assert_allclose(current, (ends[0] - ends[1]) / 2e-5, atol=1e-5 * np.abs(current).max())
    context.setPositions(r)
    alpha = system_polarizability(force, context, r[2:]) * units.POTENTIAL_TO_OPENMM
    zero = energy_and_forces(context)[0]
    force.setExternalField(context, [10, 0, 0])
    up = energy_and_forces(context)[0]
    force.setExternalField(context, [-10, 0, 0])
    down = energy_and_forces(context)[0]
    assert alpha[0, 0] == pytest.approx(-(up + down - 2 * zero) / 100 / units.POTENTIAL_TO_OPENMM, rel=1e-6)
