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
