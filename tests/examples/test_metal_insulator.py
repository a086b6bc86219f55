"""The reference of conductors and insulators: against a dense matrix, and its labels against differences."""

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
    """One potential everywhere: hardness times induced charge plus the potential of all others, with a multiplier for the total."""
    reference, make_frames = scripts
    frame = make_frames.metal(np.random.default_rng(1), 4.0, missing="Cl")
    answer = reference.solve(frame, total_charge)
    r = frame.positions
    distances = np.linalg.norm(r[:, None] - r[None], axis=2) + np.eye(len(r))
    interaction = units.COULOMB * erf(distances / np.sqrt(2)) / distances
    np.fill_diagonal(interaction, 0)
    elements = [reference.ELEMENTS[symbol] for symbol in frame.get_chemical_symbols()]
    hardness = np.diag([reference.OWN_CHARGE + element.hardness for element in elements])
    fixed = np.array([element.charge for element in elements])
    assert fixed.sum() == pytest.approx(0.4) and len(set(np.diag(hardness))) == 2
    n = len(r)
    matrix = np.block([[interaction + hardness, np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]])
    expected = np.linalg.solve(matrix, [*(hardness @ fixed), total_charge])[:-1]
    np.testing.assert_allclose(answer.charges, expected, atol=1e-8)
    induced = expected - fixed
    energy = expected @ interaction @ expected / 2 + induced @ hardness @ induced / 2
    i, j = np.triu_indices(len(r), 1)
    d, radii = distances[i, j], np.array([element.radius for element in elements])
    near = d < reference.RANGE
    shape = np.exp((radii[i] + radii[j] - d) / reference.LENGTH) * (1 - (d / reference.RANGE) ** 2) ** 2
    energy += reference.DEPTH * shape[near].sum()
    assert answer.energy == pytest.approx(energy, rel=1e-9)


@pytest.mark.parametrize(("kind", "count"), [("metal", 26), ("oxide", 63)])
def test_labels_are_derivatives(scripts, kind, count):
    reference, make_frames = scripts
    rng = np.random.default_rng(2)
    frame = make_frames.labelled(make_frames.oxide(rng) if kind == "oxide" else make_frames.metal(rng, 3.5), 1)
    assert len(frame) == count and frame.arrays["reference_charges"].sum() == pytest.approx(1, abs=1e-7)
    h = 1e-4
    for atom, axis in ((4, 2), (20, 0)):
        energies = []
        for sign in (1, -1):
            moved = frame.copy()
            moved.positions[atom, axis] += sign * h
            energies.append(reference.solve(moved, 1).energy)
        slope = (energies[0] - energies[1]) / (2 * h)
        assert frame.get_forces()[atom, axis] == pytest.approx(-slope, abs=1e-5)
