"""Born effective charges of fixed moments: the response of the induced ones (theory.md section 6)."""

import numpy as np
import pytest
import torch
from support.platforms import REFERENCE
from support.systems import TRICLINIC, evaluate, make_force, random_atoms

from openmm_polarmp.electrostatics import Multipoles, born_effective_charges


def polarization(force, context, atoms):
    """Up to the constant sum q r: s [ sum mu + dmu + dq (r - r_c) ] in e A, and s."""
    step = force._step(context)
    total = step["dipoles"].sum(0) + step["induced_dipoles"].sum(0)
    if atoms.cell is None:
        total = total + step["charges"] @ atoms.positions
        center = atoms.softness @ atoms.positions / atoms.softness.sum()
        total = total + step["induced_charges"] @ (atoms.positions - center)
    return step["field_scale"] * total, step["field_scale"]


@pytest.mark.parametrize("box", [TRICLINIC, None], ids=["triclinic", "cluster"])
def test_finite_differences_of_the_polarization(box):
    from dataclasses import replace

    atoms = random_atoms(12, box)
    force = make_force(atoms)
    force.setEpsInf(1.78)
    *_, context = evaluate(atoms, REFERENCE, force=force)
    born = force.getBornEffectiveCharges(context, induced_charges=box is None)
    assert [context.getParameter(name) for name in force.FIELD_PARAMETERS] == [0, 0, 0]
    h = 1e-4
    for i, b in [(0, 0), (5, 1), (11, 2)]:
        values = []
        for sign in (1, -1):
            positions = atoms.positions.copy()
            positions[i, b] += sign * h
            moved = replace(atoms, positions=positions)
            context.setPositions(0.1 * positions)
            values.append(polarization(force, context, moved)[0])
        expected = (values[0] - values[1]) / (2 * h)
        if box is not None:
            expected[b] += force._step(context)["field_scale"] * atoms.charges[i]
        np.testing.assert_allclose(born[i, :, b], expected, rtol=1e-6, atol=1e-6 * np.abs(born).max())
        context.setPositions(0.1 * atoms.positions)


@pytest.mark.parametrize("box", [TRICLINIC, None], ids=["triclinic", "cluster"])
def test_sum_rule(box):
    """Moving everything together moves the total charge only."""
    for charged in (False, True):
        atoms = random_atoms(12, box, charged=charged)
        *_, force, context = evaluate(atoms, REFERENCE)
        born = force.getBornEffectiveCharges(context, induced_charges=box is None)
        scale = force._step(context)["field_scale"]
        np.testing.assert_allclose(born.sum(0), scale * atoms.charges.sum() * np.eye(3), atol=1e-8)


@pytest.mark.parametrize("box", [TRICLINIC, None], ids=["triclinic", "cluster"])
def test_platforms_agree(fast_platform_once, box):
    atoms = random_atoms(40, box)
    *_, force, context = evaluate(atoms, fast_platform_once)
    *_, expected_force, expected_context = evaluate(atoms, REFERENCE)
    born = force.getBornEffectiveCharges(context, induced_charges=False)
    expected = expected_force.getBornEffectiveCharges(expected_context, induced_charges=False)
    allowed = 5e-4 if box is not None else fast_platform_once.rounding
    assert np.abs(born - expected).max() < 4 * allowed * np.abs(expected).max()


def nearest_images(differences, cell):
    """The shortest of many images: in this cell rounding fractional coordinates would often take another."""
    images = differences[:, None] + (np.array(list(np.ndindex(7, 7, 7))) - 3) @ cell
    return images[np.arange(len(images)), np.linalg.norm(images, axis=2).argmin(1)]


def test_induced_charges_in_a_box():
    """Finite differences of nearest-image displacements: s [ dq_i + sum_j (r_j - r_i) d(dq_j)/dr_i ], without the mean."""
    atoms = random_atoms(8, TRICLINIC)
    *_, force, context = evaluate(atoms, REFERENCE)
    part = force.getBornEffectiveCharges(context) - force.getBornEffectiveCharges(context, induced_charges=False)
    scale = force._step(context)["field_scale"]
    induced = force.getInducedCharges(context)
    h = 1e-4
    for i, b in [(0, 0), (3, 1), (7, 2)]:
        charges = []
        for sign in (1, -1):
            positions = atoms.positions.copy()
            positions[i, b] += sign * h
            context.setPositions(0.1 * positions)
            charges.append(force.getInducedCharges(context))
        slope = (charges[0] - charges[1]) / (2 * h)
        expected = (slope - slope.mean()) @ nearest_images(atoms.positions - atoms.positions[i], atoms.cell)
        expected[b] += induced[i] - induced.mean()
        expected *= scale
        np.testing.assert_allclose(part[i, :, b], expected, rtol=1e-5, atol=1e-6 * np.abs(part).max())
    context.setPositions(0.1 * atoms.positions)


@pytest.mark.parametrize("charged", [False, True])
def test_the_same_as_in_torch(charged):
    """Of a box of soft, polarizable atoms, neutral and charged: all of the response."""
    atoms = random_atoms(8, TRICLINIC, charged=charged)
    *_, force, context = evaluate(atoms, REFERENCE)
    force.setEpsInf(1.78)
    force.updateParametersInContext(context)
    moments = {name: torch.from_numpy(value) for name, value in force.getModel().members().items()}
    options = {"sigma": force.getSigma()._value * 10, "accuracy": 1e-8, "eps_inf": 1.78}
    cell = torch.from_numpy(atoms.cell)
    expected = born_effective_charges(torch.from_numpy(atoms.positions), Multipoles(**moments), cell, **options)
    np.testing.assert_allclose(force.getBornEffectiveCharges(context), expected.value.detach().numpy(), atol=1e-5)
