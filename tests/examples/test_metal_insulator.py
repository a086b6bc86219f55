"""The reference of the metal beside an insulator: against a dense matrix, and its labels against differences."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf

from openmm_polarmp import units

FOLDER = Path(__file__).parents[2] / "examples" / "metal_insulator"


@pytest.fixture
def scripts(monkeypatch):
    """The scripts as modules; they import each other."""
    monkeypatch.syspath_prepend(FOLDER)
    for name in ("reference", "make_frames"):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    return sys.modules["reference"], sys.modules["make_frames"]


@pytest.mark.parametrize("total_charge", [-1, 0, 1])
def test_charges_and_energy_are_those_of_a_dense_matrix(scripts, total_charge):
    """One potential over the metal: hardness times charge plus the potential of all others, with a multiplier for the total."""
    reference, make_frames = scripts
    frame = make_frames.cluster(np.random.default_rng(1), 4.0)
    answer = reference.solve(frame, total_charge)
    r = frame.positions
    distances = np.linalg.norm(r[:, None] - r[None], axis=2) + np.eye(len(r))
    interaction = units.COULOMB * erf(distances / np.sqrt(2)) / distances
    np.fill_diagonal(interaction, 0)
    symbols = np.array(frame.get_chemical_symbols())
    metal = symbols == "Au"
    fixed = np.array([reference.ION_CHARGES.get(symbol, 0.0) for symbol in symbols])
    n = metal.sum()
    stiffness = interaction[np.ix_(metal, metal)] + (reference.OWN_CHARGE + reference.HARDNESS) * np.eye(n)
    matrix = np.block([[stiffness, np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]])
    right = [*-(interaction @ fixed)[metal], total_charge - fixed.sum()]
    expected = fixed.copy()
    expected[metal] = np.linalg.solve(matrix, right)[:-1]
    np.testing.assert_allclose(answer.charges, expected, atol=1e-8)
    on_metal = expected[metal]
    energy = (
        expected @ interaction @ expected / 2 + on_metal @ on_metal * (reference.OWN_CHARGE + reference.HARDNESS) / 2
    )
    i, j = np.triu_indices(len(r), 1)
    d = distances[i, j][distances[i, j] < reference.RANGE]
    energy += (
        reference.DEPTH * np.exp((reference.CONTACT - d) / reference.LENGTH) * (1 - (d / reference.RANGE) ** 2) ** 2
    ).sum()
    assert answer.energy == pytest.approx(energy, rel=1e-9)


def test_labels_are_derivatives(scripts):
    reference, make_frames = scripts
    frame = make_frames.labelled(np.random.default_rng(2), 3.5, 1)
    born = frame.arrays["born_charges"].reshape(-1, 3, 3)
    np.testing.assert_allclose(born.sum(0), np.eye(3), atol=1e-6)  # the total charge moves with all atoms
    h = 1e-4
    for atom, b in ((4, 2), (20, 0)):
        sides = []
        for sign in (1, -1):
            moved = frame.copy()
            moved.positions[atom, b] += sign * h
            sides.append(reference.solve(moved, 1))
        slope = (sides[0].energy - sides[1].energy) / (2 * h)
        assert frame.get_forces()[atom, b] == pytest.approx(-slope, abs=1e-6)
        np.testing.assert_allclose(born[atom, :, b], (sides[0].dipole - sides[1].dipole) / (2 * h), atol=1e-5)
