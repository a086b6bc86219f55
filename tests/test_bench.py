"""The benchmark measures what it says: the numbers themselves are the machine's."""

import json

import numpy as np
import pytest

from openmm_polarmp import PolarMPForce
from openmm_polarmp.bench import electrostatics, run_bench
from openmm_polarmp.bench.floor import work_per_atom
from openmm_polarmp.bench.memory import bytes_per_atom
from openmm_polarmp.cli import main


def test_the_command_measures_and_writes(tmp_path, capsys):
    out = tmp_path / "bench.json"
    arguments = ["bench", "--atoms", "96", "192", "--threads", "1", "--seconds", "0.02", "--output", str(out)]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "1 threads" in text and "grows as N^" in text and "| 192 |" in text
    result = json.loads(out.read_text())
    for row in result["electrostatics"]:
        assert row["error of quQ+ka"] < 5e-4  # the accuracy that the times belong to
        assert all(row[rung] > 0 for rung in electrostatics.RUNGS)
        assert isinstance(row["AMOEBA direct"], float) and isinstance(row["point charges"], float)
    for row in result["step"]:
        assert row["whole"] > 0 and row["forward"] > 0 and row["backward"] > 0 and row["electrostatics"] > 0


def test_parts_and_peers_can_be_left_out(capsys):
    result = run_bench([96], parts=["electrostatics"], peers=False, seconds=0.01, threads=1)
    assert result["step"] == [] and "dense sum" not in result["electrostatics"][0]


def test_the_boxes_are_water():
    _, species, edge = electrostatics.water(300)
    assert len(species) == 300 and (species == 8).sum() == 100
    assert len(species) / (10 * edge) ** 3 == pytest.approx(3 * 0.0334, rel=1e-3)
    fixed = electrostatics.moments(species, "quQ+ka")
    assert np.sum(fixed.charges) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(np.trace(fixed.quadrupoles, axis1=1, axis2=2), 0, atol=1e-12)


def test_floor_counts_the_mesh_that_the_force_uses():
    stepper = electrostatics.ours(3000, "quQ+ka", "CPU", {})
    force = PolarMPForce.cast(stepper.context.getSystem().getForce(0))
    mesh = np.prod(force.getPMEParametersInContext(stepper.context))
    _, species, edge = electrostatics.water(3000)
    work = work_per_atom(3000, density=len(species) / (10 * edge) ** 3)
    assert work["mesh points"] == pytest.approx(mesh / 3000, rel=1e-9)
    assert (
        work["operations"] > 2 * 2 * 7 * 8**3
    )  # two rounds, a window of 8 points: spreading takes 3, gathering 4 multiplications with an addition


def test_memory_is_linear():
    sizes = [bytes_per_atom(n) for n in (6000, 12000)]
    assert 500 < sizes[1] < 8000 and sizes[1] < 1.3 * sizes[0]


def test_threads_and_floor_are_printed(capsys):
    result = run_bench([96], parts=["threads", "floor"], seconds=0.01, threads=2)
    text = capsys.readouterr().out
    assert "one thread against 2" in text and "| 24000 | 59 |" in text
    assert result["threads"][0]["one"] > 0


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr("openmm_polarmp.bench.run.find_spec", lambda name: None)
    result = run_bench([96], parts=["electrostatics"], seconds=0.01, threads=1)
    assert not any("torch-pme" in name for name in result["electrostatics"][0])
