"""The timing of training steps prints what it says, and leaves the loops as they were."""

import sys

import torch

from openmm_polarmp.bench import training
from openmm_polarmp.models import _layers


def test_command(monkeypatch, capsys):
    threads, before = torch.get_num_threads(), _layers.computes_in_loops
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
    assert _layers.computes_in_loops is before
