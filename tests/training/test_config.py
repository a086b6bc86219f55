"""Configuration files: what is accepted, and what an error says."""

import pytest

from openmm_polarmp.training import TrainingConfig
from openmm_polarmp.training.loss import weight_at

MINIMAL = {"data": {"train": "a.xyz"}, "output": "run"}


def test_a_yaml_file_with_paths_relative_to_it(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "data: {train: a.xyz, validation: b.xyz, test: 3}\noutput: out\noptimizer: {learning_rate: 1e-3}\n"
        "loss: {energy: {0: 0.1, 10: 1}}\n"
    )
    config = TrainingConfig.read(tmp_path / "c.yaml")
    assert config.data.train == [str(tmp_path / "a.xyz")]
    assert config.data.validation == [str(tmp_path / "b.xyz")] and config.data.test == 3
    assert config.output == str(tmp_path / "out")
    assert config.optimizer.learning_rate == 1e-3  # YAML itself reads 1e-3 as text
    assert config.loss.energy == {0: 0.1, 10: 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimiser": {}}, "configuration has unknown entries optimiser; known are data, output, model"),
        ({"model": {"chanels": 3}}, "model has unknown entries chanels"),
        ({"model": {"channels": "many"}}, "model.channels is 'many'; int is accepted"),
        ({"optimizer": {"epochs": 2.5}}, "optimizer.epochs is 2.5; int is accepted"),
        ({"optimizer": {"epochs": 0}}, "optimizer.epochs is 0; a positive number is accepted"),
        ({"optimizer": {"ema": 1.0}}, "optimizer.ema is 1.0; a number from 0"),
        ({"optimizer": {"warmup": -5}}, "optimizer.warmup is -5; zero or a positive number is accepted"),
        ({"optimizer": {"patience": -1}}, "optimizer.patience is -1; a positive number is accepted"),
        ({"optimizer": {"final_rate": 2}}, "optimizer.final_rate is 2.0; a number from 0 to 1 is accepted"),
        ({"optimizer": {"weight_decay": -0.1}}, "optimizer.weight_decay is -0.1; zero or a positive number"),
        (
            {"optimizer": {"learning_rate": float("inf")}},
            "optimizer.learning_rate is inf; a positive number is accepted",
        ),
        ({"loss": {"energy": -1}}, "loss.energy is -1.0; zero or a positive number is accepted"),
        ({"loss": {"forces": {0: 1, 9: -1}}}, r"loss.forces\[9\] is -1.0; zero or a positive number is accepted"),
        ({"loss": {"energy": {"a": 1}}}, "loss.energy: an entry's name is 'a'; int is accepted"),
        ({"loss": {"energy": {0: "much"}}}, r"loss.energy\[0\] is 'much'; float is accepted"),
        ({"loss": {"energy": {-3: 1}}}, "loss.energy is {-3: 1.0}; epochs from 0 on with the weights there"),
        ({"loss": {"energy": {}}}, "loss.energy is {}; epochs from 0 on with the weights there"),
        ({"loss": {"eps_inf": 0.2}}, "loss.eps_inf is 0.2; 1, the optical dielectric constant of a vacuum, or more"),
        ({"model": {"sigma": -1}}, "model.sigma is -1.0; a positive number is accepted"),
        ({"model": {"accuracy": 1}}, "model.accuracy is 1.0; a number between 0 and 1 is accepted"),
        ({"model": {"k_max": 0}}, "model.k_max is 0.0; a positive number is accepted"),
        ({"model": {"cutoff": float("inf")}}, "model.cutoff is inf; a positive number is accepted"),
        ({"model": {"species": [1, 0]}}, r"model.species\[1\] is 0; an atomic number from 1 to 118 is accepted"),
        (
            {"model": {"start": "a.polarmp", "host": "mace", "host_settings": {"layers": 1}}},
            "model.start and host_settings",
        ),
        ({"data": {"train": []}}, "data.train is empty; the name of at least one file is accepted"),
        ({"data": {"train": "a", "test": -0.01}}, "data.test is -0.01; zero or a positive number is accepted"),
        ({"data": {"train": "a", "split_seed": -1}}, "data.split_seed is -1; zero or a positive number is accepted"),
        ({"seed": -1}, "seed is -1; zero or a positive number is accepted"),
        ({"checkpoint_minutes": -1}, "checkpoint_minutes is -1.0; zero or a positive number is accepted"),
        ({"ladder": {"seeds": 0}}, "ladder.seeds is 0; a positive number is accepted"),
        ({"model": {"l_max": 3}}, "model.l_max is 3; integers from 1 to 2"),
        ({"data": {"train": "a", "split": "sorted"}}, "data.split is 'sorted'; 'random' and 'ordered' are accepted"),
        ({"data": {}}, "data has no train"),
        ({"precision": "half"}, "precision is 'half'; 'single' and 'double' are accepted"),
        ({"seed": True}, "seed is True; int is accepted"),
    ],
)
def test_a_wrong_entry_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig.from_dict({**MINIMAL, **change})


def test_what_is_no_mapping_or_no_yaml(tmp_path):
    for text, message in (("- 1", "entries .* are accepted"), ("a: [", "is not YAML")):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(ValueError, match=message):
            TrainingConfig.read(tmp_path / "c.yaml")
    with pytest.raises(FileNotFoundError, match="an existing file is accepted"):
        TrainingConfig.read(tmp_path / "none.yaml")


def test_schedules_are_linear_between_their_epochs():
    assert weight_at(2.0, 7) == 2.0
    schedule = {0: 0.0, 10: 1.0, 20: 5.0}
    assert [weight_at(schedule, epoch) for epoch in (0, 5, 10, 15, 20, 99)] == [0.0, 0.5, 1.0, 3.0, 5.0, 5.0]
