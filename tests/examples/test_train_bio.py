"""The chain behind the models of biomolecules, in small: frames, labels by SO3LR, division by molecule, training, errors by kind."""

import importlib.util
import sys
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from openmm import app

from openmm_polarmp.cli import main
from openmm_polarmp.training import labels as labels_of
from openmm_polarmp.training.labelling import protocol

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
    for frame in parts["train"]:  # of an ion beside other molecules only the forces are learned
        known, alone = labels_of(frame), frame.info["kind"] == "water"
        assert ("dipole" in known) == alone and known.get("energy_weight", 1) == alone

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


def test_labels_of_ions_that_the_teacher_does_not_know(load, tmp_path):
    """What the ion adds comes from one method, the rest from the other; the ion is the first atom."""
    frames, script = load("frames"), load("ions")
    sodium = frames.annotated(ase.Atoms("Na", [[0, 0, 2.4]]), [0], [1.0], "ion", "Na")
    whole = frames.joined([sodium, water(frames)], "hydrated-ion", "ion NA")
    rest = script.rest_of(whole)
    assert str(rest.symbols) == "OH2" and rest.info["total_charge"] == 0
    rng, methods = np.random.default_rng(0), {"whole_dft": whole, "rest_dft": rest, "rest_so3lr": rest}
    labelled = {}
    for name, frame in methods.items():
        energy, forces, dipole = rng.normal(), rng.normal(size=(len(frame), 3)), rng.normal(size=3)
        labels = protocol.Labels(energy, forces, dipole=dipole)
        labelled[name] = protocol.with_labels(frame, labels, protocol.Provenance(name, "1"))
        labelled[name].info["frame"] = 7
        ase.io.write(tmp_path / f"ions_{name}.extxyz", labelled[name])
    script.join(str(tmp_path / "ions"), str(tmp_path / "out.extxyz"))
    joined = ase.io.read(tmp_path / "out.extxyz")
    a, b, c = labelled.values()
    assert joined.get_potential_energy() == pytest.approx(
        sum(s * f.get_potential_energy() for s, f in ((1, a), (-1, b), (1, c)))
    )
    np.testing.assert_allclose(joined.get_forces()[0], a.get_forces()[0], atol=1e-7)
    np.testing.assert_allclose(joined.get_forces()[1:], a.get_forces()[1:] - b.get_forces() + c.get_forces(), atol=1e-7)
    np.testing.assert_allclose(
        labels_of(joined)["dipole"], a.info["dipole"] - b.info["dipole"] + c.info["dipole"], atol=1e-7
    )
    assert list(joined.arrays["molecule_charges"]) == [1, 0, 0, 0]
    assert joined.info["method"] == "whole_dft - rest_dft (without ions) + rest_so3lr"


def test_hydrated_chloride_is_held_out_by_time(load, tmp_path, monkeypatch):
    """The last frames of each run, which are as far from the others as they come."""
    frames, script = load("frames"), load("ions")
    seen = []

    def clusters(names, count, seed, temperature, most):
        seen.append((names, temperature, most))
        return [
            frames.joined([ion(frames), water(frames)], "hydrated-ion", f"at {temperature} K, {n}")
            for n in range(count)
        ]

    monkeypatch.setattr(script, "clusters", clusters)
    script.chloride(str(tmp_path / "chloride.extxyz"), 25)
    written = ase.io.read(tmp_path / "chloride.extxyz", ":")
    assert seen == [(("CL",), t, 24) for t in (280, 350, 450, 600)] and len(written) == 100
    assert [frame.info["source"] for frame in written if frame.info["part"] == "test"] == [
        f"at {t} K, {n}" for t in (280, 350, 450, 600) for n in (23, 24)
    ]


def test_molecules_and_charges_of_a_peptide_in_water(load):
    """Two positive side chains and charged ends: two chloride ions, every other molecule as a whole."""
    boxes = load("boxes")
    field, modeller = boxes.peptide("RGK", 1.4, 1)
    system = field.createSystem(modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=0.6, rigidWater=False)
    members, charges = boxes.molecules(modeller.topology, system)
    residues = np.array([atom.residue.name for atom in modeller.topology.atoms()])
    assert set(members[np.isin(residues, ["ARG", "GLY", "LYS"])]) == {0} and charges[0] == 2
    assert list(charges[np.unique(members[residues == "CL"])]) == [-1, -1]
    water = members[residues == "HOH"]
    assert (np.bincount(water)[np.unique(water)] == 3).all() and not charges[water].any()


def test_the_distance_that_shows_a_hole(load):
    """Of hydrogen atoms of different molecules only, over the faces of the box."""
    closest = load("sample_holes").closest
    positions = np.array([[0.2, 0, 0], [1.2, 0, 0], [4.0, 0, 0], [9.5, 0, 0], [5.0, 5, 5]])
    hydrogens, of = np.array([0, 1, 2, 3]), np.array([0, 0, 1, 2, 3])
    assert closest(positions, hydrogens, of, 10.0) == pytest.approx(0.7)
    assert closest(positions, hydrogens[:3], of, 10.0) == pytest.approx(2.8)
    assert closest(positions, hydrogens[:3], of, 5.0) == pytest.approx(1.2)
