"""Charge that flows between neighbours in the force, against automatic differentiation of the dense sum in torch."""

from contextlib import nullcontext

import numpy as np
import openmm
import pytest
import torch
from support.flows import BOXES, exchange
from support.platforms import CPU, REFERENCE
from support.systems import energy_and_forces, relative_error

from openmm_polarmp import PolarMPForce, units
from openmm_polarmp.electrostatics import born_effective_charges, polarizability, polarization

FIELD = (0.3, -0.2, 0.15)  # V/A
RESPONSES = {
    "flows": {},
    "flows alone": {"polarizable": False},
    "transfers": {"conducts": False},
    "softness too": {"soft": True},
    "transfers alone": {"conducts": False, "polarizable": False},
}


@pytest.mark.parametrize("field", [None, FIELD], ids=["no field", "field"])
@pytest.mark.parametrize("options", RESPONSES.values(), ids=RESPONSES.keys())
@pytest.mark.parametrize("box", BOXES)
def test_reference(box, options, field):
    """In a field too: the forces in a box are the gradient of the energy at a constant scale of the field."""
    case = exchange(box, **options)
    force, context = case.context(REFERENCE, field=field)
    energy, forces = energy_and_forces(context)
    expected_energy, expected_forces, result = case.in_torch(field=field)
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-9
    dq = force.getInducedCharges(context)
    assert dq == pytest.approx(result.induced_charges.detach().numpy(), abs=1e-11)
    if "soft" not in options:
        assert abs(dq.sum()) < 1e-12
    assert force.getStepData(context).field_scale == pytest.approx(float(result.scaling.detach()), rel=1e-10)


@pytest.mark.parametrize("field", [None, FIELD], ids=["no field", "field"])
def test_charges_that_depend_on_their_surroundings(field):
    case = exchange("cluster", constant=False, soft=True)
    _, context = case.context(REFERENCE, field=field)
    energy, forces = energy_and_forces(context)
    expected_energy, expected_forces, _ = case.in_torch(field=field)
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    assert relative_error(forces, expected_forces) < 1e-9


@pytest.mark.parametrize("field", [None, FIELD], ids=["no field", "field"])
@pytest.mark.parametrize("box", BOXES)
def test_platforms(fast_platform, box, field):
    if fast_platform.name == "OpenCL" and fast_platform.precision != "mixed" and box != "triclinic":
        pytest.skip("mixed precision has all boxes")
    case = exchange(box, soft=True)
    force, context = case.context(fast_platform, field=field)
    expected_force, expected_context = case.context(REFERENCE, field=field)
    (energy, forces), (expected_energy, expected_forces) = map(energy_and_forces, (context, expected_context))
    allowed = 5e-4 if case.cell is not None else fast_platform.rounding
    assert relative_error(forces, expected_forces) < allowed
    assert energy == pytest.approx(expected_energy, rel=fast_platform.rounding, abs=1e-3 * len(case.positions))
    step, expected = force.getStepData(context), expected_force.getStepData(expected_context)
    for name in ("charges", "local_charges", "induced_charges", "induced_dipoles", "field_scale"):
        value, wanted = np.asarray(getattr(step, name)), np.asarray(getattr(expected, name))
        assert np.abs(value - wanted).max() <= 4 * allowed * np.abs(wanted).max(), name
    flows, wanted = force.getPairFlows(context), expected_force.getPairFlows(expected_context)
    assert np.array_equal(flows.pairs, wanted.pairs)
    for name in ("vectors", "charges", "induced_charges", "conductances"):
        value, other = getattr(flows, name), getattr(wanted, name)
        assert np.abs(value - other).max() <= 4 * allowed * np.abs(other).max(), name


@pytest.mark.parametrize("box", BOXES)
def test_getters(box):
    """Pairs, polarization and polarizability as in torch; the pairs' sums are the atoms' charges."""
    case = exchange(box, soft=True)
    force, context = case.context(REFERENCE, field=FIELD)
    flows, step = force.getPairFlows(context), force.getStepData(context)
    n = len(case.positions)
    exchanged = np.bincount(flows.pairs[:, 0], flows.charges, n) - np.bincount(flows.pairs[:, 1], flows.charges, n)
    np.testing.assert_allclose(step.charges, step.local_charges + exchanged, atol=1e-12)
    r, cell = torch.tensor(case.positions), None if case.cell is None else torch.tensor(case.cell)
    _, multipoles = case.multipoles(r)
    applied = {"external_field": torch.tensor(FIELD, dtype=torch.float64), "accuracy": 1e-13}
    P = polarization(r, multipoles, cell, eps_inf=1.78, **applied)
    expected = (P.value / P.scaling).detach().numpy() * units.DIPOLE_TO_OPENMM
    local = step.local_charges + step.induced_charges - flows.received(n)
    found = local @ (0.1 * case.positions) + flows.dipole + (step.dipoles + step.induced_dipoles).sum(0)
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max() + 1e-12)
    # about the centre of mass
    origin = 0.1 * case.positions.mean(0) * (step.local_charges + step.induced_charges).sum()
    np.testing.assert_allclose(force.getSystemMultipoleMoments(context)[1:4], expected - origin, atol=1e-11)
    alpha = polarizability(r, multipoles, cell, eps_inf=1.78)
    latent = alpha.value / alpha.scaling**2
    total = step.polarizability.sum(0) + flows.polarizability
    if cell is None:
        arm = 0.1 * case.positions - step.softness @ (0.1 * case.positions) / step.softness.sum()
        total = total + (step.softness[:, None] * arm).T @ arm
    np.testing.assert_allclose(total, latent.detach().numpy() * units.POLARIZABILITY_TO_OPENMM, rtol=1e-9)


@pytest.mark.parametrize(
    ("box", "constant"),
    # The images of charges that move are those nearest along the box vectors here, in space in torch: the same if it is cubic.
    [*((box, True) for box in BOXES), ("cluster", False), ("cubic", False)],
)
def test_born_charges(box, constant):
    """As in torch: with constant charges exactly dP/dr, and their sum is s times the total charge."""
    case = exchange(box, constant=constant)
    force, context = case.context(REFERENCE)
    r, cell = torch.tensor(case.positions), None if case.cell is None else torch.tensor(case.cell)
    expected = born_effective_charges(
        r, lambda x: case.multipoles(x)[1], cell, eps_inf=1.78, accuracy=1e-12
    ).value.numpy()
    atom_by_atom = not constant and cell is not None
    with pytest.warns(UserWarning, match="reach") if atom_by_atom else nullcontext():
        born = force.getBornEffectiveCharges(context)
    np.testing.assert_allclose(born, expected, atol=1e-8 * np.abs(expected).max())
    if constant:
        scale = force.getStepData(context).field_scale
        np.testing.assert_allclose(born.sum(0), scale * case.total_charge * np.eye(3), atol=1e-8)


@pytest.mark.parametrize("box", ["cluster", "triclinic", "thin"])
def test_the_second_derivative_by_the_field_is_the_polarizability(box):
    """dP/dE0 two ways: of the polarization, and twice of the energy."""
    case = exchange(box)
    force, context = case.context(REFERENCE)
    step = force.getStepData(context)
    alpha = step.field_scale**2 * (step.polarizability.sum(0) + force.getPairFlows(context).polarizability)
    h = 0.1  # V/nm; the energy is quadratic in the field

    def P(field):
        force.setExternalField(context, field)
        data, flows = force.getStepData(context), force.getPairFlows(context)
        return data.field_scale * (flows.dipole + data.induced_dipoles.sum(0))

    def energy(field):
        force.setExternalField(context, field)
        return energy_and_forces(context)[0]

    for a in range(3):
        e = np.eye(3)[a] * h
        slope = (P(e) - P(-e)) / (2 * h)  # e nm per V/nm
        np.testing.assert_allclose(
            slope, alpha[a] * units.ENERGY_TO_OPENMM / units.FIELD_TO_OPENMM * 0.1 * 100, rtol=1e-8, atol=1e-12
        )
        curvature = (energy(e) + energy(-e) - 2 * energy(0 * e)) / h**2
        assert -curvature == pytest.approx(slope[a] * units.ENERGY_TO_OPENMM, rel=1e-5)


@pytest.mark.parametrize("box", ["cluster", "triclinic"])
def test_no_polarization(platform_once, box):
    """Permanent transfers stay, nothing flows."""
    case = exchange(box, soft=True)
    for field in (None, FIELD):
        force, context = case.context(
            platform_once, field=field, setup=lambda f: f.setPolarizationType(PolarMPForce.NoPolarization)
        )
        energy, forces = energy_and_forces(context)
        expected_energy, expected_forces, _ = case.in_torch(field=field, without_response=True)
        allowed = platform_once.rounding if case.cell is None or platform_once == REFERENCE else 5e-4
        assert energy == pytest.approx(expected_energy, rel=2e-5)
        assert relative_error(forces, expected_forces) < allowed
        assert not force.getPairFlows(context).induced_charges.any()


def test_a_field_that_is_switched_off(platform_once):
    """Transfers meet a field in the flow energies, which must not stay."""
    case = exchange("triclinic", conducts=False)
    force, context = case.context(platform_once)
    before = energy_and_forces(context)
    force.setExternalField(context, (3.0, 1.0, 2.0))
    assert abs(energy_and_forces(context)[0] - before[0]) > 1
    force.setExternalField(context, (0.0, 0.0, 0.0))
    after = energy_and_forces(context)
    assert after[0] == pytest.approx(before[0], abs=1e-3)
    np.testing.assert_allclose(after[1], before[1], atol=1e-2)


@pytest.mark.parametrize("periodic", [False, True], ids=["cluster", "box"])
def test_embedding_charges_drive_flows(platform_once, periodic):
    """Forces on atoms and on the charges around them are differences of the energy; charge is conserved."""
    case = exchange("triclinic" if periodic else "cluster")
    places = np.random.default_rng(8).random((5, 3)) * 6 + (0 if periodic else 3)
    n = len(case.positions)

    def setup(force):
        force.setEmbeddingCharges(range(n, n + 5), [0.6, -0.4, 0.5, -0.3, 0.2])

    force, context = case.context(REFERENCE, setup=setup, extra=places)
    energy, forces = energy_and_forces(context)
    potential = force.getEmbeddingPotential(context)
    assert np.abs(potential).max() > 10
    assert abs(force.getInducedCharges(context).sum()) < 1e-12
    if platform_once != REFERENCE:
        _, other = case.context(platform_once, setup=setup, extra=places)
        value, given = energy_and_forces(other)
        assert value == pytest.approx(energy, rel=1e-5)
        assert relative_error(given, forces) < (5e-4 if periodic else platform_once.rounding)
        return
    positions = 0.1 * np.vstack([case.positions, places])
    h = 1e-5
    for atom, a in ((0, 0), (7, 1), (n, 2), (n + 3, 0)):
        values = []
        for sign in (1, -1):
            moved = positions.copy()
            moved[atom, a] += sign * h
            context.setPositions(moved)
            values.append(energy_and_forces(context)[0])
        assert forces[atom, a] == pytest.approx((values[1] - values[0]) / (2 * h), rel=1e-5, abs=1e-3)


def test_some_of_the_particles(platform_once):
    """A force on a subset gives it what it has alone."""
    case = exchange("triclinic")
    alone = energy_and_forces(case.context(platform_once)[1])
    extra = case.positions[:3] + 1.3
    with_others = energy_and_forces(case.context(platform_once, extra=extra)[1])
    assert with_others[0] == pytest.approx(alone[0], rel=1e-6)
    n = len(case.positions)
    np.testing.assert_allclose(with_others[1][:n], alone[1], atol=1e-4 * np.abs(alone[1]).max())
    assert not with_others[1][n:].any()


class _Spoiled(torch.nn.Module):
    """A network whose flows are spoiled after they were made."""

    cutoff, species, constant = 3.2, (1, 8), True

    def __init__(self, network, spoil):
        super().__init__()
        self.network, self.spoil = network, spoil

    def forward(self, *arguments):
        energies, multipoles = self.network(*arguments)
        self.spoil(multipoles.flows)
        return energies, multipoles


def _negative(flows):
    flows.conductance = flows.conductance - 0.001


def _unknown(flows):
    flows.conductance = flows.conductance * float("nan")


@pytest.mark.parametrize(
    ("spoil", "message"), [(_negative, "conductance is -"), (_unknown, "conductance of flows is NaN")]
)
def test_bad_conductances(platform_once, spoil, message):
    case = exchange("triclinic")
    spoiled = type(case)(_Spoiled(case.network, spoil).eval(), case.positions, case.species, case.cell)
    _, context = spoiled.context(platform_once)
    with pytest.raises((ValueError, openmm.OpenMMException), match=message):
        energy_and_forces(context)


def test_xml_and_checkpoint():
    """A state that is loaded again goes on as it was."""
    case = exchange("triclinic")
    _, context = case.context(CPU, field=FIELD)
    context.getIntegrator().step(2)
    checkpoint = context.createCheckpoint()
    expected = energy_and_forces(context)
    context.getIntegrator().step(2)
    context.loadCheckpoint(checkpoint)
    again = energy_and_forces(context)
    assert again[0] == pytest.approx(expected[0], rel=1e-12)
    np.testing.assert_allclose(again[1], expected[1], rtol=1e-9, atol=1e-6)
    copied = openmm.XmlSerializer.clone(context.getSystem())
    other = CPU.context(copied, positions=context.getState(positions=True).getPositions())
    other.setParameter("polarmp_field_x", context.getParameter("polarmp_field_x"))
    other.setParameter("polarmp_field_y", context.getParameter("polarmp_field_y"))
    other.setParameter("polarmp_field_z", context.getParameter("polarmp_field_z"))
    assert energy_and_forces(other)[0] == pytest.approx(expected[0], rel=1e-9)
