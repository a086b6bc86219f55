"""The command that compares eager and compiled networks prints their ratio."""

import pytest
import torch

from openmm_polarmp.bench import compiled


def test_command(monkeypatch, capsys):
    monkeypatch.setattr(torch, "compile", lambda function, **_options: function)
    compiled.main(["--networks", "own", "--atoms", "6", "24", "--seconds", "0.01"])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[-2:]]
    assert [row[:2] for row in rows] == [["own", "6"], ["own", "24"]]
    for row in rows:
        eager, fast, ratio = map(float, row[2:5])
        assert ratio == pytest.approx(eager / fast, rel=0.1) and eager > 0
