"""The ladder's table, and that only charges explain what ions do far from each other."""

import json

import pytest
import yaml

from openmm_polarmp.cli import main
from openmm_polarmp.training.ladder import climb


def test_rungs_are_trained_once_and_compared(tmp_path, runs, capsys):
    runs.write_data(tmp_path / "ions.extxyz", 30)
    values = runs.configure(tmp_path, data={"test": 4}, optimizer={"epochs": 15, "batch_size": 1}).to_dict()
    (tmp_path / "ladder.yaml").write_text(yaml.safe_dump(values))
    assert main(["ladder", str(tmp_path / "ladder.yaml"), "--rungs", "q"]) == 0
    assert main(["ladder", str(tmp_path / "ladder.yaml"), "--rungs", "sr", "q", "--quiet"]) == 0
    rows = {row["rung"]: row for row in json.loads((tmp_path / "run" / "ladder.json").read_text())}
    assert list(rows) == ["sr", "q"]
    assert rows["q"]["forces"]["rmse"] < 0.6 * rows["sr"]["forces"]["rmse"]
    assert rows["q"]["born_charges"]["r2"] > 0.5 > rows["sr"]["born_charges"]["r2"]
    text = (tmp_path / "run" / "ladder.txt").read_text()
    assert "born_charges (e)" in text and "on the test frames" in text
    assert (tmp_path / "run" / "ladder.png").read_bytes().startswith(b"\x89PNG")
    assert "--- q" in capsys.readouterr().out


def test_an_unknown_rung_is_named_before_anything_runs(tmp_path, runs):
    with pytest.raises(ValueError, match="rung is 'qqq'; sr, q, qu"):
        climb(runs.configure(tmp_path), ["sr", "qqq"])
    assert not (tmp_path / "run").exists()
