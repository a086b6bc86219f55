"""The timing of training steps prints what it says, and leaves the loops as they were."""

import sys

import torch

from openmm_polarmp._cpu_loops import computes_in_loops
from openmm_polarmp.bench import training


def test_command(monkeypatch, capsys):
    threads = torch.get_num_threads()
    small = {"layers": 1, "cutoff": 3.0, "channels": 4, "hidden": 8}
    monkeypatch.setattr(training, "NETWORKS", {"small": small})
    monkeypatch.setattr(training, "BATCHES", {"2 clusters": (2, 6, False), "a box": (1, 24, True)})
    monkeypatch.setattr(sys, "argv", ["training", "--threads", "1", "--rounds", "2"])
    try:
        training.main()
    finally:
        torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].startswith("| small | 2 clusters |") and lines[5].startswith("| small | a box |")
    assert float(lines[4].split("|")[4]) > 0
    assert computes_in_loops(torch.zeros(1))
