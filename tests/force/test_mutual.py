"""Induced moments that feel each other (theory.md section 9), against dense sums in torch, finite differences and each other."""

import numpy as np
import openmm
import pytest
import torch
from support.embedding import random_charges
from support.flows import BOXES as flow_boxes
from support.flows import exchange
from support.oracle import dense
from support.platforms import CPU, PLATFORMS, REFERENCE, usable
from support.systems import (
    CUBIC,
    TRICLINIC,
    Atoms,
    energy_and_forces,
    evaluate,
    make_force,
    make_system,
    random_atoms,
    relative_error,
    water_like_atoms,
)

from openmm_polarmp import FixedMultipoles, PolarMPForce, units
from openmm_polarmp._polarizability import system_polarizability
from openmm_polarmp.electrostatics import (
    Multipoles,
    Mutual,
    born_effective_charges,
    electrostatic_energy,
    polarizability,
)

BOXES = {"cubic": CUBIC, "triclinic": TRICLINIC, "cluster": None}
EXACT = {"mutual": Mutual(1e-12)}
HOSTS = [REFERENCE, CPU]
MIXED = [p for p in PLATFORMS if p.precision in (None, "mixed")]


def mutual_force(atoms, tolerance=5e-4, epsilon=1e-10):
    force = make_force(atoms, tolerance)
    force.setPolarizationType(PolarMPForce.Mutual)
    force.setMutualInducedTargetEpsilon(epsilon)
    return force


@pytest.mark.parametrize("charged", [False, True], ids=["neutral", "charged"])
@pytest.mark.parametrize("box", BOXES)
def test_reference_equals_dense_sums(box, charged):
    atoms = random_atoms(24, BOXES[box], charged=charged)
    energy, forces, force, context = evaluate(atoms, REFERENCE, force=mutual_force(atoms, epsilon=1e-12))
    expected_energy, expected_forces, expected_gradients = dense(atoms, **EXACT)
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-9
    gradients = force.getMomentGradients(context)
    for name, expected in expected_gradients.items():
        if name == "quadrupoles":
            expected = 0.5 * (expected + expected.transpose(0, 2, 1))
        assert np.abs(gradients[name] - expected).max() <= 1e-8 * np.abs(expected).max(), name
    direct, _, _, _ = evaluate(atoms, REFERENCE)
    assert abs(direct - energy) > 1e-3 * abs(energy)


@pytest.mark.parametrize("absent", ["softness", "polarizability"])
@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_one_response_alone(box, absent):
    atoms = random_atoms(20, BOXES[box]).without(absent)
    energy, forces, _, _ = evaluate(atoms, REFERENCE, force=mutual_force(atoms, epsilon=1e-12))
    expected_energy, expected_forces, _ = dense(atoms, **EXACT)
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-9


@pytest.mark.parametrize(
    ("box", "choice"),
    [(box, choice) for choice in PLATFORMS for box in BOXES if choice in MIXED or box == "triclinic"],
    ids=str,
)
def test_platforms(box, choice):
    usable(choice)
    atoms = random_atoms(60, BOXES[box], charged=True)
    rough = choice.precision == "single"
    force = mutual_force(atoms, 1e-4, 1e-4 if rough else 1e-6)
    energy, forces, force, context = evaluate(atoms, choice, force=force)
    reference_force = mutual_force(atoms, 1e-4)
    expected_energy, expected_forces, _, reference = evaluate(atoms, REFERENCE, force=reference_force)
    assert relative_error(forces, expected_forces) < 5e-4
    assert energy == pytest.approx(expected_energy, rel=1e-4)
    given, expected = force.getStepData(context), reference_force.getStepData(reference)
    for name in ("induced_charges", "induced_dipoles"):
        assert relative_error(getattr(given, name), getattr(expected, name)) < 1e-3, name
    assert 2 < given.iterations < 30


@pytest.mark.parametrize("choice", HOSTS, ids=str)
@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_forces_by_differences_in_a_field(box, choice):
    """Also of the terms that an external field adds, in which the centre of the softness moves."""
    atoms = random_atoms(20, BOXES[box])
    force = mutual_force(atoms, 1e-4, 1e-11)
    _, _, force, context = evaluate(atoms, choice, force=force)
    for axis, value in zip("xyz", (0.4, -0.7, 0.5), strict=True):
        context.setParameter(f"polarmp_field_{axis}", value)
    _, forces = energy_and_forces(context)
    for atom, axis in ((0, 0), (7, 1), (15, 2)):
        energies = []
        for sign in (1, -1):
            moved = 0.1 * atoms.positions
            moved[atom, axis] += sign * 1e-4
            context.setPositions(moved)
            energies.append(energy_and_forces(context)[0])
        slope = -(energies[0] - energies[1]) / 2e-4
        scale = np.abs(forces).max()
        assert abs(slope - forces[atom, axis]) < (1e-6 if choice is REFERENCE else 1e-3) * scale


@pytest.mark.parametrize("field", [None, (0.3, -0.2, 0.15)], ids=["no field", "field"])
@pytest.mark.parametrize(
    "options", [{}, {"soft": True}, {"polarizable": False}], ids=["flows", "softness too", "flows alone"]
)
@pytest.mark.parametrize("box", flow_boxes)
def test_flows(box, options, field):
    """Charge that flows until the potentials are at rest, against torch; in a box a field acts on the pairs."""
    case = exchange(box, **options)

    def make_mutual(force):
        force.setPolarizationType(PolarMPForce.Mutual)
        force.setMutualInducedTargetEpsilon(1e-12)

    force, context = case.context(REFERENCE, field=field, setup=make_mutual)
    energy, forces = energy_and_forces(context)
    expected_energy, expected_forces, result = case.in_torch(field=field, mutual=EXACT["mutual"])
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-8
    np.testing.assert_allclose(force.getInducedCharges(context), result.induced_charges.detach().numpy(), atol=1e-9)
    direct, _, _ = case.in_torch(field=field)
    assert abs(energy - direct) > 1e-5 * abs(direct)


@pytest.mark.parametrize("choice", MIXED, ids=str)
@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_flows_on_platforms(box, choice):
    usable(choice)
    case = exchange(box, soft=True)
    results = []
    for platform in (choice, REFERENCE):
        force, context = case.context(
            platform, field=(0.3, -0.2, 0.15), setup=lambda f: f.setPolarizationType(PolarMPForce.Mutual)
        )
        results.append((*energy_and_forces(context), force.getInducedCharges(context)))
    (energy, forces, charges), (expected_energy, expected_forces, expected_charges) = results
    assert relative_error(forces, expected_forces) < 5e-4
    assert relative_error(charges, expected_charges) < 1e-3
    assert energy == pytest.approx(expected_energy, rel=1e-4)


@pytest.mark.parametrize("choice", MIXED, ids=str)
@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_embedding(box, choice):
    """Among charges of a force field: as if these were atoms without response, less their own energy."""
    usable(choice)
    atoms = random_atoms(20, BOXES[box])
    system = random_charges(atoms, 30)
    force = system.force(1e-4)
    force.setPolarizationType(PolarMPForce.Mutual)
    force.setMutualInducedTargetEpsilon(1e-5 if choice.precision in ("single", "mixed") else 1e-9)
    context = choice.context(make_system(50, atoms.cell, force), positions=system.positions)
    energy, forces = energy_and_forces(context)
    alone = Atoms(system.places, system.charges, cell=atoms.cell)
    expected_energy, expected_forces, _ = dense(system.as_atoms(), **EXACT)
    energy_alone, forces_alone, _ = dense(alone)
    expected_forces[20:] -= forces_alone
    allowed = 1e-7 if choice is REFERENCE else 5e-4
    assert relative_error(forces, expected_forces) < allowed
    assert energy == pytest.approx(expected_energy - energy_alone, rel=1e-8 if choice is REFERENCE else 1e-4)


@pytest.mark.parametrize("choice", HOSTS, ids=str)
def test_direct_is_where_the_iteration_starts(choice):
    """With a tolerance that the direct response meets, it is the result, and the energy is right to second order."""
    atoms = water_like_atoms()
    rough = mutual_force(atoms, epsilon=0.999)
    energy, _, force, context = evaluate(atoms, choice, force=rough)
    data = force.getStepData(context)
    _, _, direct_force, direct = evaluate(atoms, choice)
    expected = direct_force.getStepData(direct)
    assert data.iterations == 0 and expected.iterations == 0
    np.testing.assert_allclose(data.induced_dipoles, expected.induced_dipoles, rtol=1e-5, atol=1e-12)
    exact, _, _, _ = evaluate(atoms, choice, force=mutual_force(atoms))
    assert abs(energy - exact) < 0.2 * abs(evaluate(atoms, choice)[0] - exact)


@pytest.mark.parametrize("choice", MIXED, ids=str)
def test_dynamics_conserves_energy_with_few_iterations(choice):
    """The predictor starts close to the solution, the energy stays, and a jump begins anew."""
    usable(choice)
    atoms = water_like_atoms()
    force = mutual_force(atoms, 5e-4, 1e-5)
    n = len(atoms)
    system = make_system(n, atoms.cell, force)
    bonds = openmm.HarmonicBondForce()
    for i in range(0, n, 3):
        for a, b in ((0, 1), (0, 2), (1, 2)):
            length = 0.1 * np.linalg.norm(atoms.positions[i + a] - atoms.positions[i + b])
            bonds.addBond(i + a, i + b, length, 2e5)
    # Each atom is tied to its place: nothing else keeps molecules apart.
    tether = openmm.CustomExternalForce("5e3*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    for name in ("x0", "y0", "z0"):
        tether.addPerParticleParameter(name)
    for i in range(n):
        tether.addParticle(i, 0.1 * atoms.positions[i])
    system.addForce(bonds)
    system.addForce(tether)
    context = choice.context(system, openmm.VerletIntegrator(0.0005), 0.1 * atoms.positions)
    context.setVelocitiesToTemperature(200, 1)
    integrator, energies, iterations = context.getIntegrator(), [], []
    integrator.step(10)
    for _ in range(20):
        integrator.step(5)
        state = context.getState(energy=True)
        energies.append((state.getKineticEnergy() + state.getPotentialEnergy())._value)
        iterations.append(force.getStepData(context).iterations)
    kinetic = state.getKineticEnergy()._value
    assert np.std(energies) < 0.01 * kinetic
    assert np.mean(iterations[5:]) <= 6
    # A jump: earlier steps say nothing about it.
    context.setPositions(0.1 * atoms.positions)
    data = force.getStepData(context)
    other_force = mutual_force(atoms, 5e-4, 1e-5)
    _, _, _, fresh = evaluate(atoms, choice, force=other_force)
    expected = other_force.getStepData(fresh)
    assert relative_error(data.induced_dipoles, expected.induced_dipoles) < 1e-4


def test_settings_survive_copies_and_xml():
    force = mutual_force(random_atoms(3), epsilon=1e-7)
    force.setMutualInducedMaxIterations(17)
    for copy in (
        openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(force)),
        openmm.XmlSerializer.clone(force),
    ):
        copy = PolarMPForce.cast(copy)
        assert copy.getPolarizationType() == PolarMPForce.Mutual
        assert copy.getMutualInducedTargetEpsilon() == 1e-7
        assert copy.getMutualInducedMaxIterations() == 17


@pytest.mark.parametrize("response", ["softness", "polarizability"])
@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_born_charges_and_polarizability(box, response):
    """As in torch, where one more solution of the equation gives the derivatives of the induced moments."""
    absent = {"softness": "polarizability", "polarizability": "softness"}[response]
    atoms = random_atoms(12, BOXES[box]).without(absent)
    force = mutual_force(atoms, 1e-4, 1e-11)
    _, _, force, context = evaluate(atoms, REFERENCE, force=force)
    moments = Multipoles(**{k: torch.tensor(v) for k, v in force.getModel().members().items()})
    r, cell = torch.tensor(atoms.positions), None if atoms.cell is None else torch.tensor(atoms.cell)
    options = {"accuracy": 1e-9, **EXACT}
    if box == "cluster" and response == "softness":
        # The field acts on induced charges about the centre of the softness, as they need not sum to zero.
        r.requires_grad_()
        result = electrostatic_energy(r, moments, **options)
        arms = r - (moments.softness[:, None] * r).sum(0) / moments.softness.sum()
        P = (moments.charges[:, None] * r + result.induced_charges[:, None] * arms).sum(0)
        slopes = [torch.autograd.grad(P[a], r, retain_graph=True)[0] for a in range(3)]
        expected, r = torch.stack(slopes, 1).numpy(), r.detach()
    else:
        expected = born_effective_charges(r, moments, cell, **options).value.numpy()
    born = force.getBornEffectiveCharges(context)
    np.testing.assert_allclose(born, expected, atol=1e-5 * np.abs(expected).max())
    alpha = polarizability(r, moments, cell, **options)
    latent = (alpha.value / alpha.scaling**2).numpy() * units.POLARIZABILITY_TO_OPENMM
    given = system_polarizability(force, context, 0.1 * atoms.positions)
    np.testing.assert_allclose(given, latent, atol=1e-6 * np.abs(latent).max() + 1e-12)


def two_atoms(alpha):
    """Two polarizable atoms 1.2 A apart, which amplify each other's dipoles if alpha is large, and two far ones."""
    positions = np.array([[0.0, 0.05, 0], [0.9, 0, 0], [1.02, 0.01, 0], [2.0, 0.1, 0]])
    moments = FixedMultipoles([0.5, -0.5, 0.3, -0.3], polarizability=[0.1, alpha, alpha, 0.1])
    force = PolarMPForce(moments)
    force.setPolarizationType(PolarMPForce.Mutual)
    return force, positions


@pytest.mark.parametrize("choice", MIXED, ids=str)
def test_catastrophe_and_no_convergence_are_errors(choice):
    usable(choice)
    force, positions = two_atoms(0.9)
    context = choice.context(make_system(4, None, force), positions=positions)
    with pytest.raises(openmm.OpenMMException, match=r"polarization catastrophe: .* atoms 1, 2 amplify"):
        context.getState(forces=True)
    force, positions = two_atoms(0.2)
    force.setMutualInducedTargetEpsilon(1e-5)
    force.setMutualInducedMaxIterations(1)
    context = choice.context(make_system(4, None, force), positions=positions)
    with pytest.raises(openmm.OpenMMException, match="not converged in 1 iterations: the residual is"):
        context.getState(forces=True)
    force.setMutualInducedMaxIterations(50)
    force.updateParametersInContext(context)
    assert np.isfinite(energy_and_forces(context)[1]).all()


def test_settings_are_checked():
    force = PolarMPForce(FixedMultipoles([0.0]))
    with pytest.raises(RuntimeError, match="target epsilon is 0"):
        force.setMutualInducedTargetEpsilon(0.0)
    with pytest.raises(RuntimeError, match="max iterations is 0"):
        force.setMutualInducedMaxIterations(0)
    with pytest.raises(ValueError, match=r"type is 5; .* PolarMPForce\.Mutual are accepted"):
        force.setPolarizationType(5)


def test_nothing_to_induce():
    atoms = random_atoms(10).without("softness", "polarizability")
    energy, forces, _, _ = evaluate(atoms, CPU, force=mutual_force(atoms))
    expected, expected_forces, _, _ = evaluate(atoms, CPU)
    assert energy == expected
    np.testing.assert_array_equal(forces, expected_forces)
    zero = FixedMultipoles(np.zeros(10), polarizability=np.full(10, 0.1))
    force = PolarMPForce(zero)
    force.setPolarizationType(PolarMPForce.Mutual)
    context = CPU.context(make_system(10, None, force), positions=0.1 * atoms.positions)
    assert energy_and_forces(context)[0] == 0.0
    assert torch.tensor(force.getStepData(context).induced_dipoles).abs().max() == 0
