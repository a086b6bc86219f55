"""The scripts behind water models: order and division of frames, what a run says, what a restart cuts off."""

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


def test_a_shuffled_trajectory_is_put_back_in_order():
    script, rng = load("order_frames"), np.random.default_rng(0)
    walk = np.cumsum(0.3 * rng.normal(size=(60, 30, 3)), axis=0) + rng.uniform(0, 9, (30, 3))
    shuffled = rng.permutation(60)
    frames = [ase.Atoms("H30", walk[i] % 9, cell=[9, 9, 9], pbc=True) for i in shuffled]
    order = script.order_along_trajectory(script.distances(frames))
    times = shuffled[order]
    times = times if times[0] < times[-1] else times[::-1]
    assert np.abs(times - np.arange(60)).max() <= 2  # neighbours may change places
    far = script.distances([*frames[:2], ase.Atoms("H30", rng.uniform(0, 9, (30, 3)), cell=[9, 9, 9], pbc=True)])
    with pytest.raises(ValueError, match="fall into pieces"):
        script.order_along_trajectory(far)


def test_boxes_are_divided_by_run(tmp_path, monkeypatch, capsys):
    """Every frame of a density and temperature is in one file."""
    script, sample = load("divide_boxes"), load("sample_boxes")
    runs = [(density, temperature) for density in sample.DENSITIES for temperature in sample.TEMPERATURES]
    assert set(runs) >= script.TEST
    frames = []
    for density, temperature in runs + runs:
        frames.append(ase.Atoms("OH2", np.eye(3), info={"density": density, "temperature": temperature}))
    ase.io.write(tmp_path / "boxes_dft.extxyz", frames)
    monkeypatch.chdir(tmp_path)
    script.main("boxes_dft.extxyz")
    found = {name: ase.io.read(f"boxes_{name}.extxyz", ":") for name in ("train", "test")}
    assert {name: len(parts) for name, parts in found.items()} == {"train": 44, "test": 6}
    assert {(f.info["density"], f.info["temperature"]) for f in found["test"]} == script.TEST


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
