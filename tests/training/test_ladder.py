"""The ladder's table, and that only charges explain what ions do far from each other."""

import json
import math

import pytest
import yaml

from openmm_polarmp.cli import main
from openmm_polarmp.training import TrainingConfig
from openmm_polarmp.training.ladder import climb
from openmm_polarmp.training.ladder_report import over_sets, scatter, table
from openmm_polarmp.training.prepare import load_frames


def _saved(folder):
    return TrainingConfig.from_dict(yaml.safe_load((folder / "config.yaml").read_text()), folder)


def test_rungs_are_trained_once_and_compared(tmp_path, runs, capsys):
    runs.write_data(tmp_path / "ions.extxyz", 30)
    values = runs.configure(tmp_path, data={"test": 4}, optimizer={"epochs": 15, "batch_size": 1}).to_dict()
    (tmp_path / "ladder.yaml").write_text(yaml.safe_dump(values))
    assert main(["ladder", str(tmp_path / "ladder.yaml"), "--rungs", "q"]) == 0
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(values | {"ladder": {"rungs": ["sr", "q"]}, "output": "run"}))
    assert main(["ladder", str(tmp_path / "other.yaml"), "--quiet"]) == 0
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
        climb(runs.configure(tmp_path, ladder={"rungs": ["sr", "qqq"]}))
    assert not (tmp_path / "run").exists()


def test_seeds_share_the_split_and_their_scatter_is_printed(tmp_path, runs):
    settings = {"data": {"test": 2, "validation": 0}, "optimizer": {"epochs": 1}}
    climb(runs.configure(tmp_path, **settings, ladder={"rungs": ["sr"]}), quiet=True)
    first = (tmp_path / "run" / "sr" / "log.csv").stat().st_mtime_ns
    members = climb(runs.configure(tmp_path, **settings, ladder={"rungs": ["sr"], "seeds": 3}), quiet=True)
    assert (tmp_path / "run" / "sr" / "log.csv").stat().st_mtime_ns == first  # it was not trained again
    assert [run["seed"] for run in members] == [1, 2, 3]
    assert members == json.loads((tmp_path / "run" / "ladder.json").read_text())
    errors = [1e3 * run["forces"]["rmse"] for run in members]
    assert len(set(errors)) == 3  # another seed is another training
    mean = sum(errors) / 3
    deviation = math.sqrt(sum((error - mean) ** 2 for error in errors) / 2)
    text = (tmp_path / "run" / "ladder.txt").read_text()
    assert f"{mean:.4g} +- {deviation:.2g}" in text and "over the seeds" in text
    frames = [load_frames(_saved(tmp_path / "run" / name).data, seed) for name, seed in (("sr", 1), ("seed-3/sr", 3))]
    assert frames[0].fingerprint() == frames[1].fingerprint()


def test_other_numbers_of_seeds_are_refused(tmp_path, runs):
    with pytest.raises(ValueError, match="seeds is 0; a positive number is accepted"):
        runs.configure(tmp_path, ladder={"seeds": 0})


def test_scatter_of_none_one_and_several_values():
    assert scatter([]) == "-"
    assert scatter([12.345]) == "12.35"
    assert scatter([1.0, 2.0, 3.0]) == "2 +- 1"


def test_rungs_with_fewer_seeds_stand_beside_those_with_more():
    run = {"rung": "q", "frames": "test", "parameters": 3, "epochs": 5}
    several = [run | {"seed": seed, "forces": {"rmse": 0.01 * seed, "r2": 0.5}} for seed in (1, 2, 3)]
    text = table([*several, run | {"rung": "qu", "seed": 1, "forces": {"rmse": 0.01, "r2": 0.5}}])
    assert "20 +- 10" in text and text.splitlines()[2].split() == ["qu", "3", "5", "1", "10"]


def test_a_table_over_sets():
    def run(rung, seed, error):
        return {"rung": rung, "seed": seed, "forces": {"rmse": error}}

    text = over_sets(
        {"salt": [run("q", 1, 0.01), run("q", 2, 0.03)], "water": [run("sr", 1, 0.05) | {"energy": {"rmse": 0.004}}]}
    )
    rows = [line.split() for line in text.splitlines() if line]
    assert rows == [
        ["energy", "(meV/atom)", "water"],
        ["sr", "4"],
        ["forces", "(meV/A)", "salt", "water"],
        ["sr", "-", "50"],
        ["q", "20", "+-", "14", "-"],
    ]


def test_several_sets_in_one_command(tmp_path, runs, capsys):
    settings = {
        "data": {"test": 2, "validation": 0},
        "optimizer": {"epochs": 1},
        "ladder": {"rungs": ["sr"], "seeds": 5},
    }
    paths = []
    for name in ("one", "two"):
        values = runs.configure(tmp_path, **settings).to_dict() | {"output": f"ladder-{name}"}
        paths.append(tmp_path / f"{name}.yaml")
        paths[-1].write_text(yaml.safe_dump(values))
    assert main(["ladder", *map(str, paths), "--rungs", "q", "--seeds", "1"]) == 0
    heads = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("forces (meV/A)")]
    assert heads[-1][2:] == ["one", "two"]
    assert not (tmp_path / "ladder-one" / "sr").exists() and (tmp_path / "ladder-two" / "q" / "model.polarmp").is_file()
