"""The Reference platform against dense sums in torch with automatic differentiation: two independent programs."""

import numpy as np
import pytest
from support.oracle import dense
from support.platforms import REFERENCE
from support.systems import CUBIC, MOMENTS, ORTHORHOMBIC, TRICLINIC, evaluate, random_atoms, relative_error

BOXES = {"cubic": CUBIC, "orthorhombic": ORTHORHOMBIC, "triclinic": TRICLINIC, "cluster": None}


def check(atoms, **options):
    energy, forces, force, context = evaluate(atoms, REFERENCE)
    expected_energy, expected_forces, expected_gradients = dense(atoms, **options)
    assert energy == pytest.approx(expected_energy, rel=1e-10)
    if len(atoms) > 1:
        assert relative_error(forces, expected_forces) < 1e-10
    gradients = force.getMomentGradients(context)
    for name, expected in expected_gradients.items():
        given = gradients[name]
        if name == "quadrupoles":  # the oracle's is the derivative before the projection, up to the trace it drops
            expected = 0.5 * (expected + expected.transpose(0, 2, 1))
        if name == "polarizability" and expected.ndim == 1:
            given = np.trace(given, axis1=1, axis2=2)
        assert np.abs(given - expected).max() <= 1e-10 * np.abs(expected).max(), name


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("charged", [False, True], ids=["neutral", "charged"])
@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_boxes_charges_widths(box, charged, sigma):
    check(random_atoms(30, BOXES[box], charged=charged, sigma=sigma))


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("box", BOXES)
def test_few_atoms(n, box):
    check(random_atoms(n, BOXES[box], charged=True))


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
@pytest.mark.parametrize("absent", [*((m,) for m in MOMENTS), MOMENTS[2:], MOMENTS])
def test_absent_moments(box, absent):
    check(random_atoms(20, BOXES[box]).without(*absent))


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_scalar_polarizability(box):
    check(random_atoms(20, BOXES[box], scalar_alpha=True))


def test_two_atoms_at_one_place():
    atoms = random_atoms(3, None)
    atoms.positions[1] = atoms.positions[0]
    check(atoms)


def test_thousand_atoms():
    check(random_atoms(1000, None))
    check(random_atoms(1000, TRICLINIC).without("softness", "polarizability"))
