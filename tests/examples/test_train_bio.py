"""The chain behind the models of biomolecules, in small: frames, labels by SO3LR, division by molecule, training, errors by kind."""

import importlib.util
import sys
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest

from openmm_polarmp.cli import main

FOLDER = Path(__file__).parents[2] / "examples" / "train_bio"


@pytest.fixture
def load(monkeypatch):
    """Load a script, whose neighbours are modules that it imports."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def script(name):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return script


def water(frames):
    molecule = ase.Atoms("OHH", [[0, 0, 0], [0.757, 0.586, 0], [-0.757, 0.586, 0]])
    return frames.annotated(molecule, [0, 0, 0], [0.0], "water", "O")


def ion(frames):
    return frames.annotated(ase.Atoms("Cl", [[0.0, 0, 0]]), [0], [-1.0], "ion", "[Cl-]")


def test_from_structures_to_errors(load, tmp_path, monkeypatch, capsys):
    frames, rng, some = load("frames"), np.random.default_rng(0), []
    for number in range(24):
        parts = [water(frames), water(frames), ion(frames)][: 2 + number % 2]
        for place, part in enumerate(parts):
            part.positions += [3.1 * place, 0, 0]
        some.append(frames.disturbed(frames.joined(parts, ("water", "ion")[number % 2], f"source {number // 2}"), rng))
    assert some[1].info["total_charge"] == -1 and list(some[1].arrays["molecules"]) == [0, 0, 0, 1, 1, 1, 2]
    assert list(some[1].arrays["molecule_charges"]) == [0] * 6 + [-1]
    ase.io.write(tmp_path / "frames.extxyz", some)
    labelled = str(tmp_path / "labelled.extxyz")
    assert main(["label", str(tmp_path / "frames.extxyz"), labelled, "--method", "so3lr", "--quiet"]) == 0

    monkeypatch.setattr(frames, "TEST", 20)
    monkeypatch.setattr(frames, "VALIDATION", 35)
    monkeypatch.setitem(sys.modules, "frames", frames)
    monkeypatch.setattr(sys, "argv", ["divide.py", str(tmp_path / "bio"), labelled])
    load("divide").main()
    parts = {name: ase.io.read(tmp_path / f"bio_{name}.extxyz", ":") for name in ("train", "validation", "test")}
    sources = {name: {frame.info["source"] for frame in members} for name, members in parts.items()}
    assert sum(map(len, sources.values())) == len(set.union(*sources.values())) == 12  # by molecule, not by frame
    assert all(sources.values())

    (tmp_path / "train.yaml").write_text(
        "data: {train: [bio_train.extxyz], validation: bio_validation.extxyz, test: bio_test.extxyz}\n"
        "output: model\n"
        "model: {rung: qu+a, layers: 1, channels: 8, hidden: 16}\n"
        "loss: {dipole: 0.2, molecule_charges: 2.0}\n"
        "optimizer: {epochs: 2, batch_size: 4, hold_charges: 2}\n"
    )
    assert main(["train", str(tmp_path / "train.yaml"), "--quiet"]) == 0
    capsys.readouterr()
    model = str(tmp_path / "model" / "model.polarmp")
    assert main(["evaluate", model, str(tmp_path / "bio_test.extxyz"), "--by", "kind"]) == 0
    printed = capsys.readouterr().out
    assert "molecule_charges" in printed and "RMSE by kind" in printed

    script = load("compare_labels")
    monkeypatch.setattr(sys, "argv", ["compare_labels.py", labelled, labelled])
    script.main()
    assert "24 frames, energy 0.00 meV/atom, forces 0 meV/A (R2 1.0000)" in capsys.readouterr().out
