"""The scripts behind the water model: division and distortion of frames, what a run says, what a restart cuts off."""

import importlib.util
from pathlib import Path

import ase
import ase.io
import mdtraj
import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "train_water"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_boxes_are_divided_by_run(tmp_path, monkeypatch):
    """Every frame of a density and temperature is in one file; at random, every frame is in one file too."""
    script, sample = load("divide_boxes"), load("sample_boxes")
    runs = [(density, temperature) for density in sample.DENSITIES for temperature in sample.TEMPERATURES]
    assert set(runs) >= script.TEST
    frames = []
    for number, (density, temperature) in enumerate(6 * runs):
        info = {"density": density, "temperature": temperature, "number": number}
        frames.append(ase.Atoms("OH2", np.eye(3), info=info))
    monkeypatch.chdir(tmp_path)
    ase.io.write("one.extxyz", frames[:40])
    ase.io.write("two.extxyz", frames[40:])

    def parts(*names):
        found = {name: ase.io.read(f"boxes_{name}.extxyz", ":") for name in names}
        assert sorted(f.info["number"] for part in found.values() for f in part) == list(range(150))
        return found

    script.main(["boxes", "one.extxyz", "two.extxyz"])
    test = parts("train", "test")["test"]
    assert len(test) == 18 and {(f.info["density"], f.info["temperature"]) for f in test} == script.TEST
    script.main(["boxes", "one.extxyz", "two.extxyz", "--random"])
    assert {name: len(part) for name, part in parts("train", "validation", "test").items()}["train"] == 50


def test_distorted_boxes():
    """A few molecules are folded or pushed, or all atoms are shaken; the others stay where they are."""
    script, rng = load("distort_boxes"), np.random.default_rng(0)
    sites = 3.1 * np.stack(np.meshgrid(*3 * [np.arange(3)]), -1).reshape(-1, 3)
    molecule = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    box = ase.Atoms("OH2" * 27, (sites[:, None] + molecule).reshape(-1, 3), cell=[9.3] * 3, pbc=True)
    kinds = set()
    for _ in range(40):
        frame = script.distorted(box, rng)
        moved = np.linalg.norm(frame.positions - box.positions, axis=1).reshape(-1, 3) > 1e-9
        kinds.add(kind := frame.info["kind"])
        assert moved.all() if kind == "shake" else 1 <= moved.any(1).sum() <= 3
        bonds, angles = load("minimize").shapes(frame.positions)
        if kind == "fold":
            folded = moved.any(1)
            assert not moved[:, 0].any() and (bonds[~folded] < 1).all()
            assert (bonds[folded] >= 0.8).all() and (bonds[folded] <= 1.4).all()
            assert (angles[folded] >= 19.9).all() and (angles[folded] <= 175.1).all()
        elif kind == "push":
            nearest = frame.get_all_distances(mic=True)[::3, ::3] + 9 * np.eye(27)
            assert 1.0 < nearest.min() < 2.7 and (bonds < 1).all()
    assert kinds == {"fold", "push", "shake"}
    frame = script.folded(box, rng)
    bonds, angles = load("minimize").shapes(frame.positions)
    changed = (np.abs(frame.positions - box.positions).reshape(27, -1) > 1e-9).any(1)
    assert 1 <= changed.sum() <= 3 and frame.info["kind"] == "folded"
    assert (bonds[changed] >= 0.7).all() and (bonds[changed] <= 1.2).all()
    assert (angles[changed] >= 14.9).all() and (angles[changed] <= 45.1).all()


def test_whole_molecules():
    script = load("minimize")
    molecule = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    assert script.whole(np.concatenate([molecule, molecule + 3]))
    longer, closed = molecule.copy(), molecule.copy()
    longer[1, 0] = 1.3
    closed[2] = [0.8, 0.5, 0]
    assert not script.whole(np.concatenate([molecule, longer])) and not script.whole(closed)


def energies(path, slope, rng):
    """A table of OpenMM's with a total energy that grows by ``slope`` kJ/mol/ps, with noise."""
    rows = ['#"Step","Time (ps)","Potential Energy (kJ/mole)","Total Energy (kJ/mole)","Temperature (K)"']
    for step in range(1, 2001):
        time = 0.01 * step
        rows.append(f"{20 * step},{time},0,{-500 + slope * time + 0.01 * rng.normal()},300")
    path.write_text("\n".join(rows) + "\n")


def test_drift_and_diffusion_of_a_known_run(tmp_path, monkeypatch):
    """0.02 kJ/mol/ps in 600 atoms; oxygen atoms that walk at random by 0.3 A in 50 fs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    script, validate, rng = load("properties"), load("validate"), np.random.default_rng(1)
    topology = mdtraj.Topology()
    for _ in range(200):
        residue = topology.add_residue("HOH", topology.add_chain())
        for name in ("O", "H", "H"):
            topology.add_atom(name, mdtraj.element.Element.getBySymbol(name), residue)
    energies(tmp_path / "nve-1-energies.csv", 0.02, rng)
    steps = np.repeat(0.03 * rng.normal(size=(400, 200, 3)), 3, axis=1) / np.sqrt(3)  # nm
    frames = mdtraj.Trajectory(np.cumsum(steps, axis=0), topology)
    frames[0].save_pdb(str(tmp_path / "start.pdb"))
    frames.save_dcd(str(tmp_path / "nve-1-000000000.dcd"))
    slope = script.drift(tmp_path, "nve-1")
    assert slope == pytest.approx(1000 * 0.02 / (8.314462618e-3 * 300 * 1797), rel=0.02)
    assert script.diffusion(tmp_path, "nve-1") == pytest.approx(10 * 0.3**2 / (6 * 0.05), rel=0.1)
    validate.trim(tmp_path / "nve-1-energies.csv", 100)
    assert len((tmp_path / "nve-1-energies.csv").read_text().splitlines()) == 6


def test_blocks_give_the_error_of_a_mean(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    script = load("properties")
    mean, error = script.mean_and_error(np.random.default_rng(0).normal(3.0, 2.0, 10000))
    assert abs(mean - 3) < 0.1 and error == pytest.approx(0.02, rel=0.6)
    assert script.is_row("2.81 2.57 0.05") and not script.is_row("# 295.1 K") and not script.is_row("")
