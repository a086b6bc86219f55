"""The scripts that look at ladders: Born charges of elements, and what a metal cluster prefers."""

import importlib.util
from pathlib import Path

import ase
import numpy as np
import pytest
from support.models import tiny_model

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_born_charges_of_elements():
    script = load(EXAMPLES / "ladder" / "born_by_element.py")
    frames = [ase.Atoms("OHH"), ase.Atoms("HOH")]
    unit = np.eye(3)
    born = [np.array([-2 * unit, unit, unit]), np.array([0.5 * unit, -2 * unit, 1.2 * unit])]
    hydrogen, oxygen, total = script.numbers(frames, born, ["H", "O"])
    assert (hydrogen, oxygen) == pytest.approx((3.7 / 4, -2.0))
    assert total == pytest.approx(0.5 * np.sqrt(0.3**2 / 3) / 3)


def test_born_charges_are_those_of_the_calculator(tmp_path):
    script = load(EXAMPLES / "ladder" / "born_by_element.py")
    atoms = ase.Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]], cell=12 * np.eye(3), pbc=True)
    tiny_model().save(path := tmp_path / "tiny.polarmp")
    one, four = (script.born_charges(str(path), [atoms], eps_inf)[0] for eps_inf in (1.0, 4.0))
    assert np.abs(one).max() > 1e-3
    np.testing.assert_allclose(four, 2 * one, rtol=1e-6, atol=1e-9)


def test_what_a_dimer_prefers():
    """The lowest of each kind, lying minus upright, without and with the dopant."""
    script = load(EXAMPLES / "stand_ins" / "preference.py")
    energies = {"pure lying": [1.0, 0.4], "pure upright": [0.5, 0.9], "doped lying": [-1.0], "doped upright": [0.2]}
    frames = [ase.Atoms("Au2", info={"kind": kind}) for kind, values in energies.items() for _ in values]
    found = script.preferences(frames, [value for values in energies.values() for value in values])
    np.testing.assert_allclose(found, [-0.1, -1.2, -1.1])
