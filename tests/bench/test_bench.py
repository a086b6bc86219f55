"""The benchmark measures what it says: the numbers themselves are the machine's."""

import json
from importlib.metadata import entry_points
from types import SimpleNamespace

import numpy as np
import openmm
import pytest
import torch
from support.models import tiny_model

from openmm_polarmp import PolarMPForce
from openmm_polarmp.bench import electrostatics, equilibration, mutual, run_bench
from openmm_polarmp.bench.floor import work_per_atom
from openmm_polarmp.bench.isolated import isolated_milliseconds
from openmm_polarmp.bench.machine import description
from openmm_polarmp.bench.memory import bytes_per_atom
from openmm_polarmp.bench.phases import phases
from openmm_polarmp.bench.startup import startup
from openmm_polarmp.bench.timing import function_milliseconds
from openmm_polarmp.bench.water_box import fixed_moments, water_box_nm
from openmm_polarmp.cli import main


def test_the_command_measures_and_writes(tmp_path, capsys):
    out = tmp_path / "bench.json"
    arguments = ["bench", "--atoms", "96", "192", "--threads", "1", "--seconds", "0.02", "--output", str(out)]
    arguments += ["--evaluator", "torch"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "1 threads" in text and "grows as N^" in text and "| 192 |" in text
    result = json.loads(out.read_text())
    for row in result["electrostatics"]:
        assert row["error of quQ+ka"] < 5e-4  # the accuracy that the times belong to
        assert all(row[rung] > 0 for rung in electrostatics.RUNGS)
        for peer in ("AMOEBA direct", "AMOEBA mutual", "point charges", "dense sum"):
            assert isinstance(row[peer], float) and row[peer] > 0
    for row in result["step"]:
        assert row["whole"] > 0 and row["forward"] > 0 and row["backward"] > 0
        assert row["electrostatics"] > 0


@pytest.mark.parametrize("evaluator", [None, "native"])
def test_a_native_step_has_no_phases_of_its_network(evaluator):
    (row,) = run_bench([96], parts=["step"], seconds=0.02, threads=1, evaluator=evaluator)["step"]
    assert set(row) == {"atoms", "whole", "electrostatics", "OpenMM", "network and the rest"}
    parts = row["electrostatics"] + row["OpenMM"] + row["network and the rest"]
    assert row["whole"] > 0 and parts == pytest.approx(row["whole"])


@pytest.mark.parametrize("settings", [{"rung": "quQ+ca"}, {"rung": "q", "charges": "flow"}], ids=["conducts", "given"])
def test_the_phases_of_a_network_with_flows(settings):
    model = tiny_model(channels=4, message_channels=2, **settings)
    row = phases(model, 96, "CPU", {}, 0.02, "torch")
    assert row["forward"] > 0 and row["backward"] > 0


def test_parts_and_peers_can_be_left_out(capsys):
    result = run_bench([96], parts=["electrostatics"], peers=False, seconds=0.01, threads=1)
    assert result["step"] == [] and "dense sum" not in result["electrostatics"][0]


def test_the_boxes_are_water():
    _, species, edge = water_box_nm(300)
    assert len(species) == 300 and (species == 8).sum() == 100
    assert len(species) / (10 * edge) ** 3 == pytest.approx(3 * 0.0334, rel=1e-3)
    fixed = fixed_moments(species, "quQ+ka")
    assert np.sum(fixed.charges) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(np.trace(fixed.quadrupoles, axis1=1, axis2=2), 0, atol=1e-12)


def test_floor_counts_the_mesh_that_the_force_uses():
    stepper = electrostatics.polarmp(3000, "quQ+ka", "CPU", {})
    force = PolarMPForce.cast(stepper.context.getSystem().getForce(0))
    mesh = np.prod(force.getPMEParametersInContext(stepper.context))
    _, species, edge = water_box_nm(3000)
    work = work_per_atom(3000, density=len(species) / (10 * edge) ** 3)
    assert work["mesh points"] == pytest.approx(mesh / 3000, rel=1e-9)
    # Two rounds, a window of 8 points: spreading takes 3, gathering 4 multiplications with an addition
    assert work["operations"] > 2 * 2 * 7 * 8**3
    assert work["atomic additions"] == 2 * 8**3


def test_memory_is_linear():
    sizes = [bytes_per_atom(n) for n in (6000, 12000)]
    assert 500 < sizes[1] < 8000 and sizes[1] < 1.3 * sizes[0]


def test_equilibration_prints_iterations(monkeypatch, capsys):
    monkeypatch.setattr(mutual, "WARMING", 2)
    monkeypatch.setattr("sys.argv", ["equilibration", "--molecules", "20", "--epsilon", "1e-4", "--steps", "1"])
    equilibration.main()
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| 20 |")]
    iterations = {row[2].strip(): float(row[4]) for row in rows}
    assert len(iterations) == 4
    assert 0 < iterations["total charge of each molecule"] <= iterations["total charge"] < 10


def test_mutual_is_compared_with_direct(monkeypatch, capsys):
    monkeypatch.setattr(mutual, "WARMING", 2)
    monkeypatch.setattr(mutual, "STEPS", 1)
    rows = run_bench([192], parts=["mutual"], threads=1)["mutual"]
    assert [row["response"] for row in rows] == ["direct", "mutual, 0.0001", "mutual, 1e-05"]
    assert rows[0]["over direct"] == 1 and rows[0]["iterations"] == 0
    # at the tighter tolerance more iterations, each with one more mesh
    assert rows[2]["iterations"] > rows[1]["iterations"] > 0 and rows[2]["over direct"] > 1
    assert "| 64 | mutual, 1e-05 |" in capsys.readouterr().out


def test_drift_is_a_slope():
    """2 kJ/mol in a picosecond of three particles, with noise."""
    system = openmm.System()
    for _ in range(3):
        system.addParticle(1.0)
    simulation = SimpleNamespace(system=system)
    times, rng = 0.005 * np.arange(400), np.random.default_rng(0)
    run = mutual.Run(simulation, None, energies=list(2 * times + 0.01 * rng.normal(size=400)))
    slope, error = run.drift(0.005)
    expected = 2000 / 9 / (8.314462618e-3 * mutual.TEMPERATURE)
    assert slope == pytest.approx(expected, abs=4 * error) and error < 0.01 * expected


def test_threads_and_floor_are_printed(capsys):
    result = run_bench([96], parts=["threads", "floor"], seconds=0.01, threads=2)
    text = capsys.readouterr().out
    assert "one thread against 2" in text and "| 24000 | 59 |" in text
    assert result["threads"][0]["one"] > 0


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr("openmm_polarmp.bench.run.find_spec", lambda name: None)
    monkeypatch.setattr("openmm_polarmp.bench.run.isolated_milliseconds", lambda *a, **k: 1.0)  # seconds each
    result = run_bench([96], parts=["electrostatics"], seconds=0.01, threads=1)
    assert not any("torch-pme" in name for name in result["electrostatics"][0])


@pytest.mark.skipif(
    not entry_points(group="openmmml.potentials", name="polarmp"), reason="the package is not installed"
)
def test_a_native_start_is_light():
    """torch alone takes more memory than OpenMM and everything else."""
    native, torch = (startup(evaluator) for evaluator in ("native", "torch"))
    assert all(value > 0 for value in native)
    assert native[-1] < 0.5 * torch[-1] and native[1] < torch[1]


def test_a_peer_that_does_not_run_says_why(monkeypatch):
    """Also one that ends its process, as some of OpenMM's own forces do on some platforms."""
    reason = isolated_milliseconds("point_charges", 0.01, atoms=96, platform="none", properties={})
    assert reason.startswith("not here: ") and "no registered Platform" in reason
    monkeypatch.setattr("openmm_polarmp.bench.isolated.SCRIPT", "import os; os.abort()")
    assert isolated_milliseconds("amoeba", 0.01) == "not here: signal 6: no message"


def test_sizes_that_do_not_fit_are_left_out(monkeypatch, capsys):
    def no_memory(model, atoms, *_):
        if atoms > 100:
            raise RuntimeError("CUDA out of memory.")
        return {"whole": 0.25, "other": 12.0}

    monkeypatch.setattr("openmm_polarmp.bench.run.phases", no_memory)
    result = run_bench([96, 192], parts=["step"], seconds=0.01, threads=1)
    text = capsys.readouterr().out
    assert "192 atoms: CUDA out of memory." in text and "| 96 | 0.250 | 12.0 |" in text
    assert [row["atoms"] for row in result["step"]] == [96, 192] and "error" in result["step"][1]
    monkeypatch.setattr("openmm_polarmp.bench.run.phases", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_bench([96], parts=["step"], seconds=0.01, threads=1)


def test_calls_for_a_gpu_are_queued_in_bunches(monkeypatch):
    """The host waits once for many of them, as in a run, and not for each."""
    order = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: order.append("wait"))
    assert function_milliseconds(lambda: order.append("call"), torch.device("cuda"), 0.02) > 0
    assert order.count("wait") >= 7 and order.count("call") > 20 * order.count("wait")


def test_machine_names_the_driver(monkeypatch):
    monkeypatch.setattr("openmm_polarmp.bench.machine.machine", lambda device: "a card, torch 2")
    monkeypatch.setattr("openmm_polarmp.bench.machine.driver_cuda", lambda: (13, 0))
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build"
    monkeypatch.setattr("pathlib.Path.read_text", lambda path: text)
    assert description("CUDA", "mixed").startswith("a card, torch 2, driver 580.159.04 for CUDA 13.0, OpenMM 8.6")
    assert description("CUDA", "mixed").endswith("CUDA mixed")
