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
    failed = ase.io.read(tmp_path / "out.extxyz.failed", format="extxyz")
    assert failed.info["frame"] == 1 and failed.info["failed"] and failed.info["method"] == "GFN2-xTB"
    assert [frame.info["frame"] for frame in read_frames(tmp_path / "out.extxyz")] == [0, 2]


def test_a_reason_of_several_lines_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(gfn.GFNMethod, "calculate", lambda *_: [NotConverged("first\nsecond")])
    for _ in range(2):
        assert label([water()], tmp_path / "out.extxyz") == [0]
    (failed,) = ase.io.read(tmp_path / "out.extxyz.failed", ":", format="extxyz")
    assert failed.info["failed"] == "first second"


@pytest.fixture
def second_fails(monkeypatch):
    """The second of three frames does not converge; counts calculations."""
    plain, calls = gfn.GFNMethod.calculate, []

    def calculate(self, some, response):
        calls.append(some)
        if some[0].positions[0, 2] == 1.1:
            return [NotConverged("so it is")]
        return plain(self, some, response)

    monkeypatch.setattr(gfn.GFNMethod, "calculate", calculate)
    return calls


FRAMES = (water(), water(0.1), water(0.2))


def test_failures_are_those_of_the_same_call(tmp_path, second_fails):
    out, failures = tmp_path / "out.extxyz", tmp_path / "out.extxyz.failed"
    assert label(FRAMES, out) == label(FRAMES, out) == [1]
    assert len(second_fails) == 3  # known from the file
    text = failures.read_text()
    failures.write_text("1 as an earlier version wrote it\n")
    assert label(FRAMES, out) == [1] and len(second_fails) == 4
    failures.write_text(text.replace("GFN2-xTB", "GFN1-xTB"))
    assert label(FRAMES, out) == [1] and len(second_fails) == 5
    assert failures.read_text() == text
    # another structure under the same number is tried again
    assert label([FRAMES[0], water(0.15), FRAMES[2]], out) == [] and len(second_fails) == 6
    assert failures.read_text() == ""
    # without its file what has failed before says nothing
    out.unlink()
    failures.write_text(text)
    assert label(FRAMES[:1], out) == [] and not failures.exists()


def test_a_file_of_other_frames_or_labels_is_not_continued(tmp_path):
    out = tmp_path / "out.extxyz"
    label(FRAMES[:2], out)
    text = out.read_text()
    charged = water()
    charged.info["total_charge"] = 2.0
    boxed = water()
    boxed.set_cell([9, 9, 9])
    boxed.pbc = True
    other = water()
    other.symbols[0] = "S"
    for frame in (water(0.001), charged, boxed, other, water()[:2]):
        with pytest.raises(ValueError, match="another structure as frame 0 than the one that is asked for"):
            label([frame, *FRAMES[1:]], out)
    with pytest.raises(ValueError, match="frames have method_response False, while True is asked for"):
        label(FRAMES, out, response=True)
    assert out.read_text() == text
    out.write_text(text.replace("method_response=F ", ""))  # as an earlier version wrote it
    assert label(FRAMES, out) == [] and len(read_frames(out)) == 3


def test_a_file_that_is_no_labelling_is_left_alone(tmp_path):
    """One that is no extended XYZ, and one whose last line has no end."""
    notes, structures = tmp_path / "notes.txt", tmp_path / "x.extxyz"
    notes.write_text("do not lose this\n")
    with pytest.raises(ValueError, match="line 1 is 'do not lose this'; an extended XYZ file"):
        label([water()], notes)
    assert notes.read_text() == "do not lose this\n"
    ase.io.write(structures, [water(), water()])
    structures.write_text(text := structures.read_text().rstrip())
    with pytest.raises(ValueError, match="frame 0 has no number"):
        label([water()], structures)
    assert structures.read_text() == text


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
