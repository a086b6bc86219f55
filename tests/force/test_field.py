"""The external field (theory.md section 6)."""

import numpy as np
import openmm
import pytest
from support.platforms import REFERENCE
from support.systems import TRICLINIC, evaluate, make_force, random_atoms, relative_error, rms

from openmm_polarmp import PolarMPForce, units

FIELD = np.array([1.5, -0.7, 2.0])  # V/nm


def set_field(context, field):
    for name, value in zip(PolarMPForce.FIELD_PARAMETERS, field, strict=True):
        context.setParameter(name, float(value))


def state_in_field(context, field):
    set_field(context, field)
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, np.array(state.getForces(asNumpy=True)._value)


@pytest.mark.parametrize("box", [TRICLINIC, None], ids=["triclinic", "cluster"])
def test_platforms_agree(fast_platform, box):
    atoms = random_atoms(40, box, charged=True)
    _, without, force, context = evaluate(atoms, fast_platform)
    _, expected_without, expected_force, expected_context = evaluate(atoms, REFERENCE)
    energy, forces = state_in_field(context, FIELD)
    expected_energy, expected = state_in_field(expected_context, FIELD)
    allowed = 5e-4 if box is not None else fast_platform.rounding
    assert energy == pytest.approx(expected_energy, rel=max(allowed, 1e-5))
    # What the field alone does, not hidden behind the forces without it.
    assert rms((forces - without) - (expected - expected_without)) < allowed * rms(expected)
    gradients, expected_gradients = (
        force.getMomentGradients(context),
        expected_force.getMomentGradients(expected_context),
    )
    for name in gradients:
        scale = np.abs(expected_gradients[name]).max()
        assert np.abs(gradients[name] - expected_gradients[name]).max() < 4 * allowed * scale, name


@pytest.mark.parametrize("box", [TRICLINIC, None], ids=["triclinic", "cluster"])
@pytest.mark.parametrize("absent", [(), ("softness",), ("polarizability",)])
def test_forces_are_derivatives(box, absent):
    """With fixed moments the field's forces have an exact potential, in a box too, as long as s does not change."""
    atoms = random_atoms(15, box, charged=True).without(*absent)
    *_, context = evaluate(atoms, REFERENCE)
    _, forces = state_in_field(context, FIELD)
    step = 1e-5
    for i, a in [(0, 0), (3, 1), (7, 2)]:
        shift = np.zeros_like(forces)
        shift[i, a] = step
        energies = []
        for sign in (1, -1):
            context.setPositions(0.1 * atoms.positions + sign * shift)
            energies.append(context.getState(energy=True).getPotentialEnergy()._value)
        assert (energies[1] - energies[0]) / (2 * step) == pytest.approx(forces[i, a], abs=1e-6 * rms(forces))


@pytest.mark.parametrize("box", [TRICLINIC, None], ids=["triclinic", "cluster"])
def test_polarization_is_the_derivative_of_the_energy(box):
    """-dU/dE0 = s sum(q r + mu + dmu), and in a cluster + dq (r - r_c)."""
    atoms = random_atoms(15, box)
    *_, force, context = evaluate(atoms, REFERENCE)
    force.setEpsInf(1.78)
    force.updateParametersInContext(context)
    set_field(context, FIELD)
    step = force._step(context)
    polarization = step["charges"] @ atoms.positions + step["dipoles"].sum(0) + step["induced_dipoles"].sum(0)
    if box is None:
        center = atoms.softness @ atoms.positions / atoms.softness.sum()
        polarization += step["induced_charges"] @ (atoms.positions - center)
        assert step["field_scale"] == pytest.approx(np.sqrt(1.78))
    else:
        assert step["field_scale"] == pytest.approx(np.sqrt(1.78 / (1 + polarizability_as_chi(atoms))))
    for a in range(3):
        change = np.zeros(3)
        change[a] = 1.0  # the energy is quadratic in the field: central differences are exact
        plus, minus = state_in_field(context, FIELD + change)[0], state_in_field(context, FIELD - change)[0]
        slope = -(plus - minus) / 2 * units.FIELD_TO_OPENMM / units.ENERGY_TO_OPENMM  # e A
        assert slope == pytest.approx(step["field_scale"] * polarization[a], rel=1e-8, abs=1e-8)


def polarizability_as_chi(atoms):
    trace = np.trace(atoms.polarizability, axis1=1, axis2=2).sum() / 3
    return 4 * np.pi * units.COULOMB * trace / abs(np.linalg.det(atoms.cell))


def test_the_scale_of_a_one_step_response(platform_once):
    """eps_e = eps_inf (1 - chi) without softness; the energy is that of the field's latent value."""
    atoms = random_atoms(15, TRICLINIC).without("softness")
    *_, force, context = evaluate(atoms, platform_once)
    force.setEpsInf(1.78)
    force.updateParametersInContext(context)
    energies = [state_in_field(context, sign * FIELD)[0] for sign in (1, -1)]
    step = force._step(context)
    scale = np.sqrt(1.78 * (1 - polarizability_as_chi(atoms)))
    assert step["field_scale"] == pytest.approx(scale, rel=1e-5)
    set_field(context, np.zeros(3))
    step = force._step(context)
    polarization = step["charges"] @ atoms.positions + step["dipoles"].sum(0) + step["induced_dipoles"].sum(0)
    expected = -2 * scale * polarization @ FIELD / units.FIELD_TO_OPENMM * units.ENERGY_TO_OPENMM
    assert energies[0] - energies[1] == pytest.approx(expected, rel=1e-4)


def test_a_response_that_screens_more_than_a_field(platform_once):
    """Named where a field acts; without one nothing is different."""
    atoms = random_atoms(40, TRICLINIC).without("softness")
    chi = polarizability_as_chi(atoms)
    assert chi > 1
    *_, force, context = evaluate(atoms, platform_once)
    assert np.isnan(force._step(context)["field_scale"])
    with pytest.raises(openmm.OpenMMException, match=f"the box gives chi = {chi:.4f}, and moments"):
        state_in_field(context, FIELD)
    assert np.isfinite(state_in_field(context, np.zeros(3))[1]).all()


def test_cluster_response_does_not_depend_on_the_origin():
    from dataclasses import replace

    atoms = random_atoms(15, None, charged=False)
    moved = replace(atoms, positions=atoms.positions + np.array([30.0, -20.0, 10.0]))
    *_, context = evaluate(atoms, REFERENCE)
    *_, moved_context = evaluate(moved, REFERENCE)
    energy, forces = state_in_field(context, FIELD)
    moved_energy, moved_forces = state_in_field(moved_context, FIELD)
    assert moved_energy == pytest.approx(energy, rel=1e-9)
    assert relative_error(moved_forces, forces) < 1e-9


def test_no_field_in_the_default_state(platform_once):
    atoms = random_atoms(10, TRICLINIC)
    *_, context = evaluate(atoms, platform_once)
    assert [context.getParameter(name) for name in PolarMPForce.FIELD_PARAMETERS] == [0, 0, 0]
    energy, forces = state_in_field(context, np.zeros(3))
    expected_energy, expected, *_ = evaluate(atoms, platform_once, force=make_force(atoms))
    assert energy == expected_energy
    assert relative_error(forces, expected) < 1e-6
