"""Whole runs: the loss falls, an interrupted run goes on exactly, two processes do what one does."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from openmm_polarmp.models import load_model
from openmm_polarmp.training import TrainingConfig, checkpoint, train, trainer

EVERYTHING = {"stress": 1.0, "born_charges": 0.1, "disturbed": 1e-3, "energy": {0: 0.1, 2: 1.0}}


def weights_of(path):
    return load_model(path / "model.polarmp").network.state_dict()


def state_of(path):
    state = checkpoint.load(path / "checkpoint.pt")
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in state["rows"]]
    return rows, state["model"], state["optimizer"]


def test_the_loss_falls_and_everything_is_left(tmp_path, runs, capsys):
    runs.write_data(tmp_path / "ions.extxyz", 24)
    config = runs.configure(tmp_path, data={"test": 2}, optimizer={"epochs": 20})
    result = train(config)
    run = tmp_path / "run"
    with open(run / "log.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 20
    # The running mean lags behind at first: compare its first with its last.
    assert float(rows[-1]["validation_forces"]) < 0.7 * float(rows[0]["validation_forces"])
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    assert (
        result.errors["test"]["forces"]["rmse"]
        == json.loads((run / "errors.json").read_text())["test"]["forces"]["rmse"]
    )
    assert {p.name for p in run.iterdir()} >= {
        "config.yaml",
        "model.polarmp",
        "checkpoint.pt",
        "report.txt",
        "report.png",
    }
    model = load_model(run / "model.polarmp")
    assert model.training_range.largest_force > 0
    text = capsys.readouterr().out
    assert "20 training, 2 validation, 2 test frames" in text and "forces Na" in text


@pytest.fixture
def ruined_later(monkeypatch):
    """Learning rates that are fine for two epochs of two steps and ruin the model afterwards, which goes unnoticed."""
    monkeypatch.setattr(trainer, "BLOWN_UP", np.inf)
    monkeypatch.setattr(trainer.Trainer, "rate", lambda self, step: 0.2 if step < 4 else 300.0)


@pytest.mark.usefixtures("ruined_later")
def test_the_best_epoch_is_kept(tmp_path, runs):
    result = train(runs.configure(tmp_path, optimizer={"epochs": 5, "ema": 0.0, "hold_charges": 0}), quiet=True)
    losses = [row["validation_loss"] for row in result.rows]
    assert int(np.argmin(losses)) == 1, losses
    forces = result.errors["validation"]["forces"]["rmse"]
    assert forces == pytest.approx(result.rows[1]["validation_forces"], rel=1e-9)


@pytest.mark.usefixtures("ruined_later")
def test_patience_ends_a_run_early(tmp_path, runs):
    result = train(
        runs.configure(tmp_path, optimizer={"epochs": 30, "ema": 0.0, "patience": 2, "hold_charges": 0}), quiet=True
    )
    assert len(result.rows) == 4


@pytest.mark.parametrize("method", ["adam", "muon"])
def test_an_interrupted_run_goes_on_exactly(tmp_path, runs, monkeypatch, method):
    options = {"loss": EVERYTHING, "optimizer": {"epochs": 3, "batch_size": 3, "method": method}}
    whole = runs.configure(tmp_path, **options, output="whole")
    train(whole, quiet=True)
    parts = runs.configure(tmp_path, **options, output="parts")
    plain = trainer.Trainer._train_step
    for stop_after in (1, 2):  # in the middle of epochs, each time after so many steps

        def step(self, epoch, number, count=[stop_after]):  # noqa: B006
            plain(self, epoch, number)
            count[0] -= 1
            if count[0] == 0:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(trainer.Trainer, "_train_step", step)
        with pytest.raises(KeyboardInterrupt):
            train(parts, quiet=True)
    monkeypatch.setattr(trainer.Trainer, "_train_step", plain)
    train(parts, quiet=True)
    for a, b in zip(state_of(tmp_path / "whole"), state_of(tmp_path / "parts"), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert all(
        torch.equal(a, b) for a, b in zip(*(weights_of(tmp_path / n).values() for n in ("whole", "parts")), strict=True)
    )


def test_a_finished_run_is_not_trained_again(tmp_path, runs):
    config = runs.configure(tmp_path)
    first = train(config, quiet=True)
    second = train(config, quiet=True)
    assert [row["seconds"] for row in first.rows] == [row["seconds"] for row in second.rows]


def test_another_configuration_or_other_data_do_not_go_on(tmp_path, runs):
    train(runs.configure(tmp_path), quiet=True)
    with pytest.raises(ValueError, match=r"which holds another run \(optimizer.learning_rate was 0.01, is 0.02\)"):
        train(runs.configure(tmp_path, optimizer={"learning_rate": 0.02}), quiet=True)
    runs.write_data(tmp_path / "ions.extxyz", seed=9)
    with pytest.raises(ValueError, match="other data"):
        train(runs.configure(tmp_path), quiet=True)
    train(runs.configure(tmp_path), restart=True, quiet=True)


def test_a_restart_deletes_nothing_but_the_run(tmp_path, runs):
    """In the folder of the data and the configuration, with other files and another run below it."""
    runs.write_data(tmp_path / "ions.extxyz")
    (tmp_path / "config.yaml").write_text(
        "# mine\n" + yaml.safe_dump({**runs.values(), "output": "."}, sort_keys=False), encoding="utf-8"
    )
    others = [tmp_path / name for name in ("ions.extxyz", "config.yaml", "notes.txt", "seed-1/q/checkpoint.pt")]
    others.append(tmp_path / "tensorboard" / "layout.json")
    for path in others[2:]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    before = [path.read_bytes() for path in others]
    config = TrainingConfig.read(tmp_path / "config.yaml")
    first = train(config, quiet=True)
    (tmp_path / "tensorboard" / "events.out.tfevents.1").write_text("the run's")
    second = train(TrainingConfig.read(tmp_path / "config.yaml"), restart=True, quiet=True)
    assert [row["seconds"] for row in first.rows] != [row["seconds"] for row in second.rows]
    assert [path.read_bytes() for path in others] == before
    assert not (tmp_path / "tensorboard" / "events.out.tfevents.1").exists()


def test_a_restart_keeps_the_model_that_it_starts_from(tmp_path, runs):
    train(runs.configure(tmp_path), quiet=True)
    config = runs.configure(tmp_path, model={"start": str(tmp_path / "run" / "model.polarmp")})
    with pytest.raises(ValueError, match="the model of the run that would be deleted"):
        train(config, restart=True, quiet=True)
    assert (tmp_path / "run" / "model.polarmp").is_file()


def test_a_finished_run_goes_on_with_more_epochs(tmp_path, runs):
    first = train(runs.configure(tmp_path), quiet=True)
    epochs = len(first.rows)
    second = train(runs.configure(tmp_path, optimizer={"epochs": epochs + 2}), quiet=True)
    assert len(second.rows) == epochs + 2 and second.rows[:epochs] == first.rows
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["optimizer"]["epochs"] == epochs + 2


def test_a_conflict_names_the_way_to_train_on(tmp_path, runs):
    train(runs.configure(tmp_path), quiet=True)
    with pytest.raises(ValueError, match=r"choose another output and set model.start: .*run/model.polarmp"):
        train(runs.configure(tmp_path, optimizer={"learning_rate": 0.02}), quiet=True)
    for name, value, present in (
        ("rung", "qu", "'q'"),
        ("sigma", 2.0, "1.0"),
        ("accuracy", 1e-2, "0.0001"),
        ("k_max", 3.0, "None"),
        ("charge_projection", False, "True"),
        ("host", "mace", "None"),
    ):
        settings = {"layers": 2, "channels": 32, "message_channels": 16, "l_max": 2} if name == "host" else {}
        start = {"start": "run/model.polarmp", **settings, name: value}
        with pytest.raises(
            ValueError,
            match=rf"model.{name} is {value!r}, but the model of model.start .*run/model.polarmp' has {present}",
        ):
            train(runs.configure(tmp_path, output="other", model=start), quiet=True)
    with pytest.raises(ValueError, match=r"\[8\] that the model does not know"):
        train(
            runs.configure(tmp_path, output="other", model={"start": "run/model.polarmp", "species": [8]}), quiet=True
        )


def test_an_interruption_says_that_all_is_kept(tmp_path, runs, monkeypatch, capsys):
    step = trainer.Trainer._train_step

    def interrupted(self, epoch, number):
        step(self, epoch, number)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(trainer.Trainer, "_train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(runs.configure(tmp_path))
    assert "interrupted after step 1 of" in (text := capsys.readouterr().out)
    assert "everything is kept in" in text and "the same command goes on from here" in text


def test_progress_within_an_epoch(monkeypatch, capsys):
    from openmm_polarmp.training import log

    monkeypatch.setattr(log, "LINE_SECONDS", 0.0)
    log.Progress(False, 100, 0).step(2, "3/50", 53, 0.1, 0.02)
    assert "epoch    2  step 3/50  loss 0.1  forces 20.0 meV/A" in capsys.readouterr().out


def test_a_damaged_checkpoint_is_named(tmp_path, runs):
    train(runs.configure(tmp_path), quiet=True)
    path = tmp_path / "run" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"checkpoint .*checkpoint.pt' cannot be read"):
        train(runs.configure(tmp_path), quiet=True)


def test_a_failed_write_leaves_the_checkpoint_before(tmp_path, runs, monkeypatch):
    train(runs.configure(tmp_path), quiet=True)
    path = tmp_path / "run" / "checkpoint.pt"
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, {"step": 1})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".tmp"] == []


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path, runs):
    config = runs.configure(tmp_path, optimizer={"learning_rate": 1e30, "clip": 1e30, "warmup": 1})
    with pytest.raises(FloatingPointError, match=r"in epoch \d+, step \d+: try a smaller optimizer.learning_rate"):
        train(config, quiet=True)


def test_errors_that_grow_end_the_run(tmp_path, runs, monkeypatch):
    """With the model of the epoch before. Here any error is called a large one."""
    monkeypatch.setattr(trainer, "BLOWN_UP", 1e-3)
    said = r"errors of forces have grown from [\d.]+ to [\d.]+ eV/A in epoch 1, step \d+: try a smaller"
    with pytest.raises(FloatingPointError, match=said):
        train(runs.configure(tmp_path), quiet=True)
    assert load_model(tmp_path / "run" / "model.polarmp").species
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 2


def test_two_processes_do_what_one_does(tmp_path, runs):
    """Batches of 3 over 2 processes, 4 training frames: unequal shares, and a process without a frame."""
    single = runs.configure(tmp_path, loss=EVERYTHING, optimizer={"batch_size": 3}, output="one")
    train(single, quiet=True)
    values = single.to_dict() | {"output": "two"}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(values))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    root = Path(sys.modules["openmm_polarmp"].__file__).parents[1]
    environment["PYTHONPATH"] = os.pathsep.join([str(root), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "openmm_polarmp", "train"]
    done = subprocess.run([*command, "two.yaml"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    one, two = state_of(tmp_path / "one"), state_of(tmp_path / "two")
    assert len(one[0]) == 2
    torch.testing.assert_close(one[0], two[0], rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(one[1], two[1], rtol=1e-6, atol=1e-8)


def test_other_tensor_products_learn_the_same(tmp_path, runs):
    train(runs.configure(tmp_path, output="dense"), quiet=True)
    train(runs.configure(tmp_path, output="other", tensor_products="cuequivariance"), quiet=True)
    dense, other = state_of(tmp_path / "dense"), state_of(tmp_path / "other")
    torch.testing.assert_close(dense[0], other[0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(dense[1], other[1], rtol=1e-5, atol=1e-8)


def test_fine_tuning_begins_with_the_given_model(tmp_path, runs):
    train(runs.configure(tmp_path, output="first", model={"description": "ions", "licence": "MIT"}), quiet=True)
    tune = {"start": "first/model.polarmp", "description": "ions, then more ions"}
    config = runs.configure(tmp_path, model=tune, loss={"born_charges": 1.0}, optimizer={"learning_rate": 1e-12})
    result = train(config, quiet=True)
    before = weights_of(tmp_path / "first")
    after = result.model.network.state_dict()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=1e-9)
    assert (result.model.training_data, result.model.licence) == ("ions, then more ions", "MIT")


def test_a_trained_network_gets_a_density_limit(tmp_path, runs):
    first = train(runs.configure(tmp_path, output="first"), quiet=True).model
    tune = {"start": "first/model.polarmp", "density_limit": 3.0}
    optimizer = {"epochs": 1, "learning_rate": 1e-12}
    second = train(runs.configure(tmp_path, output="second", model=tune, optimizer=optimizer), quiet=True).model
    assert first.network.config.density_limit is None
    assert load_model(tmp_path / "second" / "model.polarmp").network.config.density_limit == 3.0
    r = torch.tensor([[0.0, 0, 0], [2.3, 0, 0], [-0.8, 2.1, 0]], dtype=torch.float64)
    energies = [m.double().energy(r, torch.tensor([11, 17, 17]), None).item() for m in (first, second)]
    assert energies[0] != pytest.approx(energies[1], abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"dipole": 1.0}}, "loss.dipole is 1.0; only 0 is accepted without this label"),
        ({"data": {"validation": 6}}, "data.validation is 6; fewer than the 6 frames left of 6 are accepted"),
        ({"data": {"train": ["none.xyz"]}}, "none.xyz'; an existing file is accepted"),
        ({"device": "tpu"}, "device is 'tpu'; only devices of this machine"),
    ],
)
def test_what_cannot_work_is_said_at_once(tmp_path, runs, changes, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        train(runs.configure(tmp_path, **changes), quiet=True)


def test_an_unknown_element_in_the_validation_is_named(tmp_path, runs):
    import ase.io

    frame = ase.io.read(runs.write_data(tmp_path / "ions.extxyz"), 0)
    frame.symbols[0] = "Xe"
    ase.io.write(tmp_path / "other.extxyz", frame)
    with pytest.raises(ValueError, match=r"other.extxyz, frame 0: has the elements \['Xe'\]; .* are accepted"):
        train(runs.configure(tmp_path, data={"validation": "other.extxyz"}), quiet=True)


def test_configuration_round_trip(tmp_path, runs):
    config = runs.configure(tmp_path, loss=EVERYTHING)
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(config.to_dict()))
    assert TrainingConfig.read(tmp_path / "again.yaml") == config


def test_a_run_goes_on_where_the_version_that_saved_it_had_fewer_settings(tmp_path, runs):
    first = train(runs.configure(tmp_path), quiet=True)
    path = tmp_path / "run" / "checkpoint.pt"
    state = checkpoint.load(path)
    del state["identity"]["model"]["rounds"]
    checkpoint.save(path, state)
    assert train(runs.configure(tmp_path), quiet=True).rows == first.rows
    with pytest.raises(ValueError, match=r"model\.rounds was 0, is 1"):
        train(runs.configure(tmp_path, model={"rounds": 1}), quiet=True)
