"""Labels of SO3LR: many frames at once are the frames one by one, and derivatives are those of its energy."""

import ase
import numpy as np
import pytest
import torch
from support.labelling import moved, strained, water
from support.models import tiny_model

from openmm_polarmp.models import load_model
from openmm_polarmp.training import labels
from openmm_polarmp.training.labelling import label_frame, method_of
from openmm_polarmp.training.labelling.protocol import with_labels


@pytest.fixture(scope="module")
def teacher():
    return method_of("so3lr")


def test_a_group_of_frames(teacher):
    box = water()
    box.set_cell(np.diag([5.0, 5.5, 6.0]))
    box.pbc = True
    chloride = water()
    chloride += ase.Atoms("Cl", [[1.0, 3.5, 1.0]])
    chloride.info["total_charge"] = -1.0
    frames = [water(), chloride, box]
    together = teacher.calculate(frames, False)
    for frame, result in zip(frames, together, strict=True):
        alone, grouped = labels(label_frame(frame, teacher)), labels(with_labels(frame, result, teacher.provenance))
        assert sorted(alone) == sorted(grouped)
        for name, value in alone.items():
            np.testing.assert_allclose(value, grouped[name], atol=1e-9, err_msg=name)
    assert [result.stress is None for result in together] == [True, True, False]
    assert [result.dipole is None for result in together] == [False, False, True]
    direct = (
        load_model("so3lr")
        .double()
        .requires_grad_(False)
        .energy(torch.as_tensor(chloride.positions), torch.as_tensor(chloride.numbers), total_charge=-1.0)
    )
    assert together[1].energy == pytest.approx(float(direct), abs=1e-9)


def test_derivatives(teacher):
    frame, step = water(), 1e-3
    found = labels(label_frame(frame, teacher, response=True))
    for atom, axis in ((0, 1), (1, 0)):
        high, low = (labels(label_frame(moved(frame, atom, axis, s * step), teacher)) for s in (1, -1))
        slope = (high["energy"] - low["energy"]) / (2 * step)
        assert found["forces"][atom, axis] == pytest.approx(-slope, abs=1e-4)
        dipole = (high["dipole"] - low["dipole"]) / (2 * step)
        np.testing.assert_allclose(found["born_charges"][atom, :, axis], dipole, atol=1e-5)
    frame.set_cell(np.diag([4.0, 4.5, 5.0]))
    frame.pbc = True
    energies = [labels(label_frame(strained(frame, 0, 1, sign * step), teacher))["energy"] for sign in (1, -1)]
    slope = (energies[0] - energies[1]) / (2 * step) / frame.get_volume()
    assert labels(label_frame(frame, teacher))["stress"][0, 1] == pytest.approx(slope, abs=1e-6)


def test_an_element_that_the_teacher_does_not_know(teacher):
    with pytest.raises(ValueError, match=r"atomic numbers \[11\]"):
        label_frame(ase.Atoms("Na", [[0.0, 0, 0]]), teacher)


def test_a_model_file_without_charges(tmp_path):
    tiny_model((1, 8), "sr").save(tmp_path / "model.polarmp")
    method = method_of(str(tmp_path / "model.polarmp"))
    labelled = label_frame(water(), method)
    assert sorted(labels(labelled)) == ["energy", "forces", "total_charge"]
    assert labelled.info["method_version"].startswith("sha256 ")
    with pytest.raises(ValueError, match="response is True; a model with charges is accepted"):
        label_frame(water(), method, response=True)
