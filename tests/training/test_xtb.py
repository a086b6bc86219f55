"""Labels of GFN2-xTB: derivatives against finite differences of the same method, interruption, failures."""

import ase
import ase.io
import numpy as np
import pytest
from ase.units import Bohr, Hartree

from openmm_polarmp.cli import main
from openmm_polarmp.training import labels, read_frames
from openmm_polarmp.training import xtb as labelling

pytest.importorskip("tblite")


def water(shift: float = 0.0) -> ase.Atoms:
    positions = [[0, 0, shift], [0.757, 0.586, 0.1], [-0.757, 0.586, 0]]
    return ase.Atoms("OHH", np.array(positions) + 1.0)


def moved(frame: ase.Atoms, atom: int, axis: int, by: float) -> ase.Atoms:
    copy = frame.copy()
    copy.positions[atom, axis] += by
    return copy


def test_forces_dipole_and_born_charges_are_derivatives():
    frame, step = water(), 5e-3
    found = labels(labelling.label_frame(frame, response=True))
    for atom, axis in ((0, 1), (1, 0), (2, 2)):
        high, low = (labels(labelling.label_frame(moved(frame, atom, axis, s * step), accuracy=1e-3)) for s in (1, -1))
        slope = (high["energy"] - low["energy"]) / (2 * step)
        assert found["forces"][atom, axis] == pytest.approx(-slope, abs=2e-3)
        dipole = (high["dipole"] - low["dipole"]) / (2 * step)
        np.testing.assert_allclose(found["born_charges"][atom, :, axis], dipole, atol=3e-4)
    np.testing.assert_allclose(found["born_charges"].sum(0), 0, atol=1e-4)  # a neutral molecule


def test_polarizability_is_the_energy_s_second_derivative():
    frame = labelling.label_frame(water(), response=True)
    alpha = frame.info["polarizability"]
    np.testing.assert_allclose(alpha, alpha.T, atol=1e-5)
    step = 3e-3  # atomic units of the field

    def energy(*field):
        return labelling._calculate(frame, "GFN2-xTB", 0.0, 1e-4, np.array(field))["energy"]

    plain = energy(0.0, 0.0, 0.0)
    for axis in range(3):
        field = step * np.eye(3)[axis]
        second = (energy(*field) + energy(*-field) - 2 * plain) / step**2
        assert alpha[axis, axis] == pytest.approx(-second * Bohr**2 / Hartree, rel=5e-3)


def test_stress_of_a_box():
    rng = np.random.default_rng(0)
    frame = water()
    frame.set_cell(np.diag([4.0, 4.5, 5.0]) + 0.2 * rng.normal(size=(3, 3)))
    frame.pbc = True
    stress, step = labels(labelling.label_frame(frame, accuracy=1e-2))["stress"], 2e-3
    for a, b in ((0, 0), (1, 2)):
        strain = np.zeros((3, 3))
        strain[a, b] += step / 2
        strain[b, a] += step / 2
        energies = []
        for sign in (1, -1):
            copy = frame.copy()
            copy.set_cell(frame.cell.array @ (np.eye(3) + sign * strain), scale_atoms=True)
            energies.append(labels(labelling.label_frame(copy, accuracy=1e-2))["energy"])
        slope = (energies[0] - energies[1]) / (2 * step) / frame.get_volume()
        assert stress[a, b] == pytest.approx(slope, abs=3e-5)
    with pytest.raises(ValueError, match="response is True for a periodic frame"):
        labelling.label_frame(frame, response=True)


def test_an_ion_has_its_charge():
    frame = ase.Atoms("Na", [[0.0, 0, 0]], info={"total_charge": 1.0})
    found = labels(labelling.label_frame(frame, response=True))
    np.testing.assert_allclose(found["born_charges"][0], np.eye(3), atol=1e-4)
    assert found["total_charge"] == 1


def test_an_interrupted_command_goes_on(tmp_path, monkeypatch, capsys):
    frames = [water(0.02 * i) for i in range(5)]
    ase.io.write(tmp_path / "in.extxyz", frames)
    command = ["label", str(tmp_path / "in.extxyz"), str(tmp_path / "out.extxyz")]
    plain, calls = labelling.label_frame, []

    def limited(frame, **options):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(frame, **options)

    monkeypatch.setattr(labelling, "label_frame", limited)
    assert main(command) == 130
    text = (tmp_path / "out.extxyz").read_text()
    (tmp_path / "out.extxyz").write_text(text[:-30])  # as a kill while writing leaves it
    assert main(command) == 0
    assert len(calls) == 4 + 3  # the cut off one again, and the two that were left
    read = read_frames(tmp_path / "out.extxyz")
    assert [frame.info["frame"] for frame in read] == [0, 1, 2, 3, 4]
    for frame, original in zip(read, frames, strict=True):
        expected = plain(original)
        assert frame.get_potential_energy() == pytest.approx(expected.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(frame.get_forces(), expected.get_forces(), atol=1e-6)
    assert "5 of 5 frames are labelled" in capsys.readouterr().out


def test_a_frame_without_a_solution_is_named_and_left_out(tmp_path, capsys):
    collapsed = ase.Atoms("OHH", [[0, 0, 0], [0, 0, 0], [0, 0, 0.0]])
    ase.io.write(tmp_path / "in.extxyz", [water(), collapsed, water(0.1)])
    assert main(["label", str(tmp_path / "in.extxyz"), str(tmp_path / "out.extxyz")]) == 0
    captured = capsys.readouterr()
    assert "frame 1: not converged" in captured.err and "2 of 3 frames are labelled" in captured.out
    assert (tmp_path / "out.extxyz.failed").read_text().startswith("1 ")
    assert [frame.info["frame"] for frame in read_frames(tmp_path / "out.extxyz")] == [0, 2]


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="method is 'PM6'; 'GFN2-xTB' and 'GFN1-xTB' are accepted"):
        labelling.label([water()], tmp_path / "o.extxyz", method="PM6")
    labelling.label([water(), water(0.1)], tmp_path / "o.extxyz")
    with pytest.raises(ValueError, match="which has a frame 1; files of these 1 frames are accepted"):
        labelling.label([water()], tmp_path / "o.extxyz")
    ase.io.write(tmp_path / "x.extxyz", water())
    with pytest.raises(ValueError, match="frame 0 has no number; files of this command"):
        labelling.label([water()], tmp_path / "x.extxyz")
