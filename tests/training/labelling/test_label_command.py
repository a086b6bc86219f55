"""The command that labels: interruption, several processes, failures, where labels come from, wrong arguments."""

import json

import ase
import ase.io
import numpy as np
import pytest
from support.labelling import water

from openmm_polarmp.cli import main
from openmm_polarmp.training import read_frames
from openmm_polarmp.training.labelling import METHODS, NotConverged, gfn, label, label_frame, method_of

pytest.importorskip("tblite")


def test_an_interrupted_command_goes_on(tmp_path, monkeypatch, capsys):
    frames = [water(0.02 * i) for i in range(5)]
    for frame in frames:
        frame.arrays["molecules"] = np.zeros(3, int)
        frame.info["kind"] = "water"
    ase.io.write(tmp_path / "in.extxyz", frames)
    command = ["label", str(tmp_path / "in.extxyz"), str(tmp_path / "out.extxyz")]
    plain, calls = gfn.GFNMethod.calculate, []

    def limited(self, some, response):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(self, some, response)

    monkeypatch.setattr(gfn.GFNMethod, "calculate", limited)
    assert main(command) == 130
    text = (tmp_path / "out.extxyz").read_text()
    (tmp_path / "out.extxyz").write_text(text[:-30])  # as a kill while writing leaves it
    assert main(command) == 0
    assert len(calls) == 4 + 3  # the cut off one again, and the two that were left
    read = read_frames(tmp_path / "out.extxyz")
    assert [frame.info["frame"] for frame in read] == [0, 1, 2, 3, 4]
    for frame, original in zip(read, frames, strict=True):
        expected = label_frame(original, method_of("gfn2"))
        assert frame.get_potential_energy() == pytest.approx(expected.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(frame.get_forces(), expected.get_forces(), atol=1e-6)
        assert frame.info["kind"] == "water" and list(frame.arrays["molecules"]) == [0, 0, 0]
        assert frame.info["method"] == "GFN2-xTB" and frame.info["method_version"].startswith("tblite ")
        assert json.loads(frame.info["method_settings"]) == {"accuracy": 0.1}
    assert "5 of 5 frames are labelled" in capsys.readouterr().out


def test_two_processes_give_the_same_file(tmp_path):
    frames = [water(0.02 * i) for i in range(6)]
    frames[2] = ase.Atoms("OHH", np.zeros((3, 3)))
    for processes in (1, 2):
        assert label(frames, tmp_path / f"{processes}.extxyz", processes=processes) == [2]
    one, two = (read_frames(tmp_path / f"{processes}.extxyz") for processes in (1, 2))
    assert [frame.info["frame"] for frame in two] == [0, 1, 3, 4, 5]
    for a, b in zip(one, two, strict=True):
        assert a.info["frame"] == b.info["frame"]
        np.testing.assert_allclose(a.get_forces(), b.get_forces(), atol=1e-9)


def test_a_frame_without_a_solution_is_named_and_left_out(tmp_path, capsys):
    collapsed = ase.Atoms("OHH", [[0, 0, 0], [0, 0, 0], [0, 0, 0.0]])
    ase.io.write(tmp_path / "in.extxyz", [water(), collapsed, water(0.1)])
    assert main(["label", str(tmp_path / "in.extxyz"), str(tmp_path / "out.extxyz")]) == 0
    captured = capsys.readouterr()
    assert "frame 1: not converged" in captured.err and "2 of 3 frames are labelled" in captured.out
    assert (tmp_path / "out.extxyz.failed").read_text().startswith("1 ")
    assert [frame.info["frame"] for frame in read_frames(tmp_path / "out.extxyz")] == [0, 2]


def test_a_reason_of_several_lines_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(gfn.GFNMethod, "calculate", lambda *_: [NotConverged("first\nsecond")])
    for _ in range(2):
        assert label([water()], tmp_path / "out.extxyz") == [0]
    assert (tmp_path / "out.extxyz.failed").read_text() == "0 first second\n"


def test_wrong_arguments(tmp_path):
    for name in ("PM6", "pyscf:pbe0", "cp2k:"):
        with pytest.raises(ValueError, match=f"method is '{name}'; {', '.join(METHODS)} are accepted"):
            label([water()], tmp_path / "o.extxyz", method=name)
    with pytest.raises(ValueError, match=r"accuracy is 0\.1 with the method 'so3lr'; it is accepted with gfn2 and"):
        method_of("so3lr", accuracy=0.1)
    with pytest.raises(ValueError, match="processes is 0"):
        label([water()], tmp_path / "o.extxyz", processes=0)
    label([water(), water(0.1)], tmp_path / "o.extxyz")
    with pytest.raises(ValueError, match="which has a frame 1; files of these 1 frames are accepted"):
        label([water()], tmp_path / "o.extxyz")
    with pytest.raises(ValueError, match="frames have method GFN2-xTB, while GFN1-xTB is asked for; a new file"):
        label([water(), water(0.1), water(0.2)], tmp_path / "o.extxyz", method="gfn1")
    ase.io.write(tmp_path / "x.extxyz", water())
    with pytest.raises(ValueError, match="frame 0 has no number; files of this command"):
        label([water()], tmp_path / "x.extxyz")
