"""Labels of PySCF: derivatives against finite differences of the same method, failures, wrong names."""

import gc
import warnings

import ase
import numpy as np
import pytest
from support.labelling import moved, water

from openmm_polarmp.training import labels
from openmm_polarmp.training.labelling import NotConverged, label_frame, method_of

pytest.importorskip("pyscf")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def _unclosed_files():
    """PySCF leaves its temporary files to the garbage collector, which would warn in another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def test_forces_dipole_and_born_charges_are_derivatives():
    frame, step, method = water(), 5e-3, method_of("pyscf:pbe0/sto-3g")
    labelled = label_frame(frame, method, response=True)
    assert labelled.info["method"] == "pbe0" and labelled.info["method_version"].startswith("pyscf ")
    found = labels(labelled)
    high, low = (labels(label_frame(moved(frame, 1, 0, s * step), method)) for s in (1, -1))
    slope = (high["energy"] - low["energy"]) / (2 * step)
    assert found["forces"][1, 0] == pytest.approx(-slope, abs=2e-3)
    dipole = (high["dipole"] - low["dipole"]) / (2 * step)
    np.testing.assert_allclose(found["born_charges"][1, :, 0], dipole, atol=3e-4)
    np.testing.assert_allclose(found["born_charges"].sum(0), 0, atol=1e-4)
    np.testing.assert_allclose(found["polarizability"], found["polarizability"].T, atol=1e-5)


def test_frames_that_have_no_labels():
    method = method_of("pyscf:hf/sto-3g")
    (failed,) = method.calculate([ase.Atoms("OHH", np.zeros((3, 3)))], False)
    assert isinstance(failed, NotConverged)
    radical = ase.Atoms("OH", [[0, 0, 0], [0, 0, 1.0]])
    assert np.isfinite(label_frame(radical, method).get_forces()).all()
    radical.info["multiplicity"] = 1
    with pytest.raises(ValueError, match="multiplicity is 1 for 9 electrons"):
        label_frame(radical, method)
    box = water()
    box.set_cell(np.eye(3) * 5)
    box.pbc = True
    with pytest.raises(ValueError, match="a frame is periodic; clusters are accepted"):
        label_frame(box, method)


def test_an_atom_with_an_effective_core():
    iodide = ase.Atoms("I", [[0.5, 0.0, 0.0]], info={"total_charge": -1.0})
    labelled = label_frame(iodide, method_of("pyscf:hf/def2-svp"), response=True)
    assert labelled.get_potential_energy() == pytest.approx(-297 * 27.21, rel=5e-3)  # without 28 electrons of the core
    np.testing.assert_allclose(labels(labelled)["born_charges"][0], -np.eye(3), atol=1e-3)


def test_wrong_names():
    with pytest.raises(ValueError, match="functional is 'nonsense'; names that PySCF knows"):
        method_of("pyscf:nonsense/sto-3g")
    with pytest.raises(ValueError, match="basis is 'nonsense'; names that PySCF knows"):
        method_of("pyscf:pbe0/nonsense")
