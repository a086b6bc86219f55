"""Training of hosts with heads, from a new host and from that of a file."""

import dataclasses
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from support.hosts import SMALL, hosted, hosted_model
from support.ionic import ionic_frames

from openmm_polarmp import load_model
from openmm_polarmp.models import model_info
from openmm_polarmp.training import TrainingConfig, train
from openmm_polarmp.training.ladder import climb
from openmm_polarmp.training.prepare import build_model
from openmm_polarmp.training.trainer import Trainer

EXAMPLES = Path(__file__).parents[2] / "examples" / "hosts"
IONS = {"species": (3, 9, 11, 17), "cutoff": 4.0, "energy_shift": {}}


def configure(folder, host=None, **changes):
    """A short run on ions; every part can be replaced."""
    if not (folder / "ions.extxyz").exists():
        ase.io.write(folder / "ions.extxyz", ionic_frames(6, pairs=4, box=7.5))
    model = {"rung": "qu", "cutoff": 4.0, "channels": 4, "hidden": 8, "accuracy": 1e-3}
    if host is not None:
        model |= {"host": host, "host_settings": SMALL[host]}
    values = {
        "data": {"train": ["ions.extxyz"], "validation": 2},
        "output": "run",
        "model": model,
        "optimizer": {"epochs": 6, "learning_rate": 0.01, "batch_size": 2, "hold_charges": 3, "warmup": 3, "ema": 0.5},
        "precision": "double",
    }
    for name, change in changes.items():
        values[name] = {**values[name], **change} if isinstance(values.get(name), dict) else change
    return TrainingConfig.from_dict(values, folder)


def trained_host(folder, name):
    """A model file with a host alone."""
    model = hosted_model(name, "sr", **IONS)
    model.licence = "a licence"
    model.save(folder / "host.polarmp")
    return model


def host_weights(model):
    return [p.detach().clone() for p in model.network.host.parameters()]


def test_a_few_steps_lower_the_loss(tmp_path, host):
    result = train(configure(tmp_path, host, optimizer={"epochs": 20}), quiet=True)
    losses = [row["loss"] for row in result.rows]
    assert losses[-1] < 0.8 * losses[0]
    assert result.model.network.config.host == host
    assert "multipole heads on the host" in model_info(tmp_path / "run" / "model.polarmp")
    assert not result.model.network.config.host_licence


def test_a_run_continues_as_if_it_had_not_been_interrupted(tmp_path, host):
    whole = train(configure(tmp_path, host), quiet=True)
    half = configure(tmp_path, host, output="half")
    steps = []

    def stop(self, epoch, number):
        steps.append(number)
        if len(steps) == 7:
            self._save()
            raise KeyboardInterrupt
        return original(self, epoch, number)

    original, Trainer._train_step = Trainer._train_step, stop
    try:
        with pytest.raises(KeyboardInterrupt):
            train(half, quiet=True)
    finally:
        Trainer._train_step = original
    continued = train(half, quiet=True)
    for one, other in zip(whole.model.parameters(), continued.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("how", ["frozen", "slow", "all"])
def test_how_a_host_is_trained(tmp_path, how):
    before = host_weights(trained_host(tmp_path, "toy"))
    model = {"start_host": "host.polarmp", "host_training": how, "host_rate": 1e-6}
    result = train(configure(tmp_path, model=model), quiet=True)
    change = max(float((a - b).abs().max()) for a, b in zip(before, host_weights(result.model), strict=True))
    assert (change == 0.0) if how == "frozen" else (0 < change < 1e-5) if how == "slow" else change > 1e-4
    config = result.model.network.config
    assert config.host_licence == "a licence" and config.host_origin == "host.polarmp"
    assert result.model.metadata["training"]["host_training"] == how
    losses = [row["loss"] for row in result.rows]
    assert losses[-1] < losses[0]


def test_the_energies_of_single_atoms_follow_the_data(tmp_path):
    """A host from elsewhere, with other energies of single atoms, starts near the energies of the data."""
    model = trained_host(tmp_path, "toy")
    frames = ionic_frames(6, pairs=4, box=7.5)
    for frame in frames:
        results = dict(frame.calc.results)
        results["energy"] += 100.0 * (frame.numbers == 9).sum() - 300.0 * (frame.numbers == 11).sum()
        frame.calc = type(frame.calc)(frame, **results)
    ase.io.write(tmp_path / "ions.extxyz", frames)
    config = configure(tmp_path, model={"start_host": "host.polarmp", "rung": "sr"})
    built = build_model(config, frames)
    for frame in frames:
        cell = torch.tensor(frame.cell.array)
        energy = built.double().energy(torch.tensor(frame.positions), torch.tensor(frame.numbers), cell)
        assert abs(energy.item() - frame.get_potential_energy()) < 5.0
    assert model.network.config.host_configuration == built.network.config.host_configuration


def test_heads_continue_from_a_file(tmp_path):
    hosted_model("toy", "qu", **IONS).save(tmp_path / "start.polarmp")
    before = host_weights(load_model(tmp_path / "start.polarmp"))
    result = train(configure(tmp_path, model={"start": "start.polarmp", "host_training": "frozen"}), quiet=True)
    assert all(torch.equal(a, b) for a, b in zip(before, host_weights(result.model), strict=True))


def test_ladder_over_a_host(tmp_path):
    config = configure(
        tmp_path, "toy", optimizer={"epochs": 1, "hold_charges": 0}, ladder={"rungs": ["sr", "q", "qu+ca"]}
    )
    rows = climb(config, quiet=True)
    assert [row["rung"] for row in rows] == ["sr", "q", "qu+ca"]
    assert np.diff([row["parameters"] for row in rows]).min() > 0


def test_settings_that_do_not_fit(tmp_path):
    trained_host(tmp_path, "toy")
    for model, words in (
        ({"host": "nobody"}, "host is 'nobody'; mace"),
        ({"host": "toy", "host_settings": {"chanels": 2}}, "model.host_settings has unknown entries chanels"),
        ({"host": "toy", "layers": 3}, "layers are settings of PolarMPNet"),
        ({"host": "toy", "host_training": "frozen"}, "needs a trained host"),
        ({"host": "toy", "host_training": "fast"}, "'all' and 'frozen' and 'slow' are accepted"),
        ({"host_settings": {"l_max": 1}}, "it needs a host"),
        ({"start_host": "host.polarmp", "host": "mace"}, "'toy', that of start_host, is accepted"),
        ({"start_host": "host.polarmp", "cutoff": 5.0}, "4.0, that of start_host, is accepted"),
        ({"start_host": "polarmp-water"}, "a PolarMPNet; a model with a host is accepted"),
        ({"start_host": "host.polarmp", "host_training": "frozen", "rung": "sr"}, "there is nothing to train"),
        ({"host_training": "slow"}, "it needs a model with a host"),
    ):
        with pytest.raises(ValueError, match=words):
            train(configure(tmp_path, model=model), quiet=True)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_configurations_of_the_examples(path):
    """Each is accepted, and its host has the features that its rungs read."""
    model = TrainingConfig.read(path).model
    rungs = path.read_text().splitlines()[0].partition("--rungs")[2].partition(":")[0].split() or [model.rung]
    for rung in rungs:
        if model.host is None:
            assert dataclasses.replace(model, rung=rung).rung == rung
        else:
            assert hosted(model.host, rung, settings=model.host_settings).rung.word == rung
