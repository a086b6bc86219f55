"""The scripts behind the shipped water model: order of frames, drift, what a restart cuts off."""

import importlib.util
from pathlib import Path

import ase
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


def test_drift_of_a_known_slope(tmp_path):
    """0.02 kJ/mol/ps in 2 molecules, 15 degrees of freedom, with noise."""
    script, rng = load("validate"), np.random.default_rng(1)
    rows = ['#"Step","Time (ps)","Potential Energy (kJ/mole)","Total Energy (kJ/mole)","Temperature (K)"']
    for step in range(1, 2001):
        time = 0.01 * step
        rows.append(f"{20 * step},{time},0,{-500 + 0.02 * time + 0.01 * rng.normal()},300")
    (tmp_path / "nve.csv").write_text("\n".join(rows) + "\n")
    slope, error = script.drift(tmp_path, 2)
    expected = 1000 * 0.02 / (8.314462618e-3 * 300 * 15)
    assert abs(slope - expected) < 4 * error and error < 0.1 * expected
    script.trim(tmp_path / "nve.csv", 100)
    assert len((tmp_path / "nve.csv").read_text().splitlines()) == 6
