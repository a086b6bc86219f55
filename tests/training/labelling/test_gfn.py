"""Labels of GFN2-xTB: derivatives against finite differences of the same method."""

import ase
import numpy as np
import pytest
from ase.units import Bohr, Hartree
from support.labelling import moved, strained, water

from openmm_polarmp.training import labels
from openmm_polarmp.training.labelling import label_frame, method_of

pytest.importorskip("tblite")


def test_forces_dipole_and_born_charges_are_derivatives():
    frame, step, strict = water(), 5e-3, method_of("gfn2", accuracy=1e-3)
    found = labels(label_frame(frame, method_of("gfn2"), response=True))
    for atom, axis in ((0, 1), (1, 0), (2, 2)):
        high, low = (labels(label_frame(moved(frame, atom, axis, s * step), strict)) for s in (1, -1))
        slope = (high["energy"] - low["energy"]) / (2 * step)
        assert found["forces"][atom, axis] == pytest.approx(-slope, abs=2e-3)
        dipole = (high["dipole"] - low["dipole"]) / (2 * step)
        np.testing.assert_allclose(found["born_charges"][atom, :, axis], dipole, atol=3e-4)
    np.testing.assert_allclose(found["born_charges"].sum(0), 0, atol=1e-4)  # a neutral molecule


def test_polarizability_is_the_energy_s_second_derivative():
    method = method_of("gfn2")
    frame = label_frame(water(), method, response=True)
    alpha = frame.info["polarizability"]
    np.testing.assert_allclose(alpha, alpha.T, atol=1e-5)
    step = 3e-3  # atomic units of the field

    def energy(*field):
        return method.singlepoint(frame, 1e-4, np.array(field))["energy"]

    plain = energy(0.0, 0.0, 0.0)
    for axis in range(3):
        field = step * np.eye(3)[axis]
        second = (energy(*field) + energy(*-field) - 2 * plain) / step**2
        assert alpha[axis, axis] == pytest.approx(-second * Bohr**2 / Hartree, rel=5e-3)


def test_labels_in_a_field():
    """Energy and forces differ by those of the response, to second order in the field."""
    method = method_of("gfn2", accuracy=1e-3)
    frame = water()
    response = labels(label_frame(frame, method, response=True))
    field = np.array([0.02, -0.03, 0.04])  # V/A
    frame.info["external_field"] = field
    found = labels(label_frame(frame, method))
    np.testing.assert_array_equal(found["external_field"], field)
    energy = -response["dipole"] @ field - field @ response["polarizability"] @ field / 2
    assert found["energy"] - response["energy"] == pytest.approx(energy, abs=2e-6)
    forces = np.einsum("iab,a->ib", response["born_charges"], field)
    np.testing.assert_allclose(found["forces"] - response["forces"], forces, atol=1e-3)
    with pytest.raises(ValueError, match="response is True for a frame with an external_field"):
        label_frame(frame, method, response=True)
    with pytest.raises(ValueError, match="methods gfn2 and gfn1 calculate in fields"):
        label_frame(frame, method_of("so3lr"))
    frame.set_cell(np.eye(3) * 10)
    frame.pbc = True
    with pytest.raises(ValueError, match="a periodic frame has an external_field"):
        label_frame(frame, method)


def test_stress_of_a_box():
    rng, method = np.random.default_rng(0), method_of("GFN2-xTB", accuracy=1e-2)
    frame = water()
    frame.set_cell(np.diag([4.0, 4.5, 5.0]) + 0.2 * rng.normal(size=(3, 3)))
    frame.pbc = True
    stress, step = labels(label_frame(frame, method))["stress"], 2e-3
    for a, b in ((0, 0), (1, 2)):
        energies = [labels(label_frame(strained(frame, a, b, sign * step), method))["energy"] for sign in (1, -1)]
        slope = (energies[0] - energies[1]) / (2 * step) / frame.get_volume()
        assert stress[a, b] == pytest.approx(slope, abs=3e-5)
    with pytest.raises(ValueError, match="response is True for a periodic frame"):
        label_frame(frame, method, response=True)


def test_an_ion_has_its_charge():
    frame = ase.Atoms("Na", [[0.0, 0, 0]], info={"total_charge": 1.0})
    found = labels(label_frame(frame, method_of("gfn2"), response=True))
    np.testing.assert_allclose(found["born_charges"][0], np.eye(3), atol=1e-4)
    assert found["total_charge"] == 1


def test_gfn1_is_another_method():
    one, two = (label_frame(water(), method_of(name)) for name in ("gfn1", "GFN2-xTB"))
    assert [frame.info["method"] for frame in (one, two)] == ["GFN1-xTB", "GFN2-xTB"]
    assert abs(one.get_potential_energy() - two.get_potential_energy()) > 1
