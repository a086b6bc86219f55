"""Errors of a model, from the command line and against numpy."""

import json

import ase.io
import numpy as np
import pytest
import torch
from support.ionic import ionic_frames
from support.models import tiny_model

from openmm_polarmp.cli import main
from openmm_polarmp.electrostatics import electrostatic_energy
from openmm_polarmp.training import Structure, compare

SPECIES = (3, 9, 11, 17)


@pytest.fixture
def saved(tmp_path):
    model = tiny_model(SPECIES, "qu").double()
    model.save(tmp_path / "model.polarmp")
    return model


def test_statistics_are_those_of_numpy(saved):
    members = [Structure.of(frame, saved.cutoff) for frame in ionic_frames(3, box=None, pairs=3)]
    found = compare(saved, members, eps_inf=1.8)
    forces = []
    for member in members:
        r = member.positions.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(saved.energy(r, member.species), r)
        forces.append(-gradient.numpy())
    error = np.concatenate(forces) - np.concatenate([m.forces.numpy() for m in members])
    sodium = np.concatenate([m.species.numpy() for m in members]) == 11
    statistics = found.statistics()
    assert statistics["forces"]["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert statistics["forces Na"]["mae"] == pytest.approx(np.abs(error[sodium]).mean())
    assert statistics["dipole"]["count"] == 9
    assert set(statistics) >= {"energy", "born_charges", "born_charges Cl"}
    assert found.sum_rule["predicted"] < 1e-6  # the network's charges sum to the total charge
    assert "acoustic sum rule" in found.table()


def test_sum_rule_sees_what_is_missed(saved):
    """Reference Born charges that are 0.01 e too large on each of six ions."""
    (frame,) = ionic_frames(1, box=None, pairs=3)
    first = compare(saved, [Structure.of(frame, saved.cutoff)])
    frame.arrays.pop("bec", None)
    frame.arrays["born_charges"] = (first.predicted["born_charges"] + 0.01 * np.eye(3)).reshape(-1, 9)
    found = compare(saved, [Structure.of(frame, saved.cutoff)])
    assert found.sum_rule["reference"] == pytest.approx(0.06, abs=1e-6)
    assert found.sum_rule["predicted"] < 1e-6


def test_polarizability_of_a_cluster_is_the_response_of_its_dipole():
    """A label of the model's own, from dipoles in a field; a model without charges has none."""
    model = tiny_model(SPECIES, "qu+ka").double()
    (frame,) = ionic_frames(1, box=None, pairs=3)
    member = Structure.of(frame, model.cutoff)
    expected = np.zeros((3, 3))
    _, moments = model.multipoles(member.positions, member.species)
    for axis in range(3):
        field = torch.zeros(3, dtype=torch.float64)
        dipoles = []
        for sign in (1, -1):
            field[axis] = 1e-3 * sign
            result = electrostatic_energy(member.positions, moments, external_field=field)
            centre = (moments.softness @ member.positions) / moments.softness.sum()
            induced = result.induced_charges @ (member.positions - centre)
            dipoles.append((induced + result.induced_dipoles.sum(0)).detach().numpy())
        expected[:, axis] = (dipoles[0] - dipoles[1]) / 2e-3
    frame.info["polarizability"] = expected
    found = compare(model, [Structure.of(frame, model.cutoff)])
    np.testing.assert_allclose(found.predicted["polarizability"][0], expected, rtol=1e-6)
    assert "polarizability" in found.table() and "A^3" in found.table()
    without = compare(tiny_model(SPECIES, "sr").double(), [Structure.of(frame, model.cutoff)])
    assert not without.predicted["polarizability"].any()


def test_the_command_writes_table_json_and_plot(tmp_path, saved, runs, capsys):
    runs.write_data(tmp_path / "ions.extxyz", 2, pairs=3, box=8.0)
    arguments = ["evaluate", str(tmp_path / "model.polarmp"), str(tmp_path / "ions.extxyz")]
    assert (
        main([*arguments, "--output", str(tmp_path / "e.json"), "--plot", str(tmp_path / "e.png"), "--eps-inf", "2"])
        == 0
    )
    text = capsys.readouterr().out
    for piece in ("2 structures", "meV/A", "stress", "born_charges Li", "eps_inf = 2", "latent charge Na"):
        assert piece in text
    result = json.loads((tmp_path / "e.json").read_text())
    assert result["errors"]["energy"]["count"] == 2 and result["eps_inf"] == 2
    assert (tmp_path / "e.png").read_bytes().startswith(b"\x89PNG")


def test_data_the_model_does_not_know(tmp_path, runs, capsys):
    tiny_model((1, 8)).save(tmp_path / "water.polarmp")
    runs.write_data(tmp_path / "ions.extxyz", 1)
    assert main(["evaluate", str(tmp_path / "water.polarmp"), str(tmp_path / "ions.extxyz")]) == 1
    assert "ions.extxyz, frame 0: has the elements" in capsys.readouterr().err


def test_errors_by_an_entry_of_info(saved, tmp_path, capsys):
    frames = ionic_frames(5, box=None, pairs=3)
    for number, frame in enumerate(frames):
        frame.info["kind"] = "odd" if number % 2 else "even"
    for name, some in {"all": frames, "even": frames[::2], "odd": frames[1::2]}.items():
        ase.io.write(tmp_path / f"{name}.extxyz", some)

    def errors(name, *more):
        command = ["evaluate", str(tmp_path / "model.polarmp"), str(tmp_path / f"{name}.extxyz")]
        assert main([*command, "--output", str(tmp_path / "errors.json"), *more]) == 0
        return json.loads((tmp_path / "errors.json").read_text())

    whole, divided = errors("all"), errors("all", "--by", "kind")
    assert "RMSE by kind" in capsys.readouterr().out
    for label, statistics in whole["errors"].items():
        assert divided["errors"][label] == pytest.approx(statistics, nan_ok=True), label
    assert divided["sum_rule"] == pytest.approx(whole["sum_rule"])
    for kind in ("even", "odd"):
        for label, statistics in errors(kind)["errors"].items():
            assert divided["errors by kind"][kind][label] == pytest.approx(statistics, nan_ok=True), label
    command = ["evaluate", str(tmp_path / "model.polarmp"), str(tmp_path / "all.extxyz"), "--by", "source"]
    assert main(command) == 1
    assert "by is 'source', which frame 0 does not have" in capsys.readouterr().err
