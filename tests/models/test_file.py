"""The model file: exact round trip, nothing executable, and a clear error for everything that is not right."""

import json
import os
import struct
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save

from openmm_polarmp.models import (
    ModelDescription,
    ModelFileError,
    PolarMPModel,
    TrainingRange,
    file,
    load_model,
    model_info,
    shipped_models,
)


@pytest.fixture
def model(models):
    network = models.make_network(rung="quQ+ka", polarizability="tensor", zbl=True, energy_shift={8: -432.1, 1: -13.6})
    return PolarMPModel(
        network,
        sigma=1.2,
        accuracy=3e-5,
        k_max=6.0,
        charge_projection=False,
        training_data="made up",
        licence="MIT",
        training_range=TrainingRange({(1, 8): 0.91, (1, 1): 1.4}, 7.5),
        metadata={"author": "nobody", "epochs": 3},
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip(models, model, tmp_path, dtype):
    model.to(dtype)
    path = tmp_path / "a.polarmp"
    model.save(path)
    again = load_model(path)
    assert again.configuration() == model.configuration()
    assert again.metadata == {"author": "nobody", "epochs": 3}
    assert again.training_range == model.training_range
    assert (again.sigma, again.accuracy, again.k_max, again.charge_projection) == (1.2, 3e-5, 6.0, False)
    assert next(again.parameters()).dtype == dtype
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor), name
    atoms = models.structure()
    for ours, theirs in zip(
        *(m.multipoles(atoms.positions, atoms.species, atoms.cell) for m in (model, again)), strict=True
    ):
        if isinstance(ours, torch.Tensor):
            assert torch.equal(ours, theirs)
        else:
            for (name, value), (_, other) in zip(ours.members(), theirs.members(), strict=True):
                assert torch.equal(value, other), name
    assert again.to_bytes() == path.read_bytes()
    assert len(again.sha256) == 64


def test_bytes_round_trip(model):
    again = PolarMPModel.from_bytes(model.to_bytes())
    assert again.to_bytes() == model.to_bytes()


def test_default_dtype_does_not_matter(model):
    data = model.to_bytes()
    torch.set_default_dtype(torch.float64)
    try:
        again = PolarMPModel.from_bytes(data)
    finally:
        torch.set_default_dtype(torch.float32)
    assert again.to_bytes() == data


def test_every_damaged_byte_is_noticed(model):
    """Any one changed byte: an error of the file's own kind, whatever it hits."""
    data = model.to_bytes()
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(len(data), (300,), generator=generator).tolist() + list(range(40))
    places += [k * len(data) // 100 for k in range(100)]
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 + place % 255
        with pytest.raises(ModelFileError, match="here"):
            PolarMPModel.from_bytes(bytes(damaged), "here")


@pytest.mark.parametrize("fraction", [0.0, 0.0001, 0.01, 0.5, 0.99, 1 - 1e-6])
def test_truncated(model, fraction):
    data = model.to_bytes()
    with pytest.raises(ModelFileError):
        PolarMPModel.from_bytes(data[: int(fraction * len(data))])


def test_appended_bytes(model):
    with pytest.raises(ModelFileError, match="checksum"):
        PolarMPModel.from_bytes(model.to_bytes() + b"x")


def with_header(data: bytes, change) -> bytes:
    """The same file with a changed header."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def test_newer_version(model):
    data = with_header(model.to_bytes(), lambda header: header["__metadata__"].update(format_version="2"))
    with pytest.raises(ModelFileError, match=r"format version is 2; versions up to 1 are accepted: upgrade"):
        PolarMPModel.from_bytes(data)


def test_changed_configuration(model):
    def change(header):
        text = header["__metadata__"]["configuration"]
        assert '"cutoff": 3.0' in text
        header["__metadata__"]["configuration"] = text.replace('"cutoff": 3.0', '"cutoff": 3.1')

    with pytest.raises(ModelFileError, match=r"checksum .* differs from the recorded"):
        PolarMPModel.from_bytes(with_header(model.to_bytes(), change))


def test_changed_tensor_shape(model):
    def change(header):
        name = next(name for name, entry in header.items() if name != "__metadata__" and len(entry["shape"]) == 2)
        header[name]["shape"].reverse()

    with pytest.raises(ModelFileError, match="checksum"):
        PolarMPModel.from_bytes(with_header(model.to_bytes(), change))


def test_weights_that_do_not_fit_the_configuration(model):
    """A file that is consistent in itself, written by something else."""
    state = dict(model.network.state_dict())
    del state["embedding.weight"]
    with pytest.raises(ModelFileError, match="configuration does not describe a model"):
        PolarMPModel.from_bytes(file.pack(model.configuration(), state))
    settings = model.configuration()
    settings["units"] = {"energy": "kcal/mol"}
    with pytest.raises(ModelFileError, match="units"):
        PolarMPModel.from_bytes(file.pack(settings, dict(model.network.state_dict())))
    settings = {**model.configuration(), "architecture": "Other"}
    with pytest.raises(ModelFileError, match=r"architecture is 'Other'; 'PolarMPNet'.* is accepted"):
        PolarMPModel.from_bytes(file.pack(settings, dict(model.network.state_dict())))


def test_other_files(tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(save({"x": torch.zeros(2)}))
    with pytest.raises(ModelFileError, match="not a model file of openmm-polarmp"):
        load_model(other)
    pickle = tmp_path / "pickle.polarmp"
    torch.save({"x": torch.zeros(2)}, pickle)
    with pytest.raises(ModelFileError, match="not a model file"):
        load_model(pickle)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model file is '.*nothing\.polarmp'; an existing file is accepted"):
        load_model(tmp_path / "nothing.polarmp")
    with pytest.raises(FileNotFoundError, match=r"a model file or a shipped model .* is accepted"):
        load_model("polarmp-unobtainium")


def test_shipped_models_are_found_by_name(model, tmp_path, monkeypatch):
    monkeypatch.setattr(file, "SHIPPED", tmp_path)
    model.save(tmp_path / "polarmp-test.polarmp")
    assert list(shipped_models()) == ["polarmp-test"]
    assert load_model("polarmp-test").to_bytes() == model.to_bytes()


def test_a_model_is_found_by_path_or_name_only(model):
    with pytest.raises(TypeError, match="model is of type PolarMPModel; the path of a model file or the name"):
        ModelDescription.find(model)


def test_every_shipped_model_loads():
    for name in shipped_models():
        assert load_model(name).licence, name


def test_writing_is_atomic(model, tmp_path, monkeypatch):
    path = tmp_path / "a.polarmp"
    model.save(path)
    before = path.read_bytes()

    def fail(handle):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    model.sigma = 2.0
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.polarmp"]


def test_suffix(model, tmp_path):
    with pytest.raises(ValueError, match=r"path is '.*a\.pt'; file names that end in \.polarmp"):
        model.save(tmp_path / "a.pt")


def test_only_our_network_is_written(models, tmp_path):
    class Foreign(torch.nn.Module):
        cutoff, species = 3.0, (1,)

    with pytest.raises(TypeError, match="network is a Foreign; a model file holds a PolarMPNet"):
        PolarMPModel(Foreign()).save(tmp_path / "a.polarmp")


def test_info(model, tmp_path):
    path = tmp_path / "a.polarmp"
    model.save(path)
    text = model_info(path)
    facts = {line[: line.index("  ")]: line.split("  ")[-1].strip() for line in text.splitlines() if "  " in line}
    assert facts["elements"] == "H, O"
    assert facts["rung"] == "quQ+ka"
    assert facts["shortest H-O"] == "0.910 A"
    assert facts["largest force"] == "7.50 eV/A"
    assert facts["licence"] == "MIT"
    assert facts["sha256"] == load_model(path).sha256
    assert "sigma 1.2 A, accuracy 3e-05, k_max 6.0 /A, total charge free" in text
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError):
        model_info(path)


def test_reading_runs_no_code(model, tmp_path):
    """Loading imports neither pickle's loader nor torch.load: both are replaced by traps."""
    path = tmp_path / "a.polarmp"
    model.save(path)
    script = f"""
import pickle, torch
from openmm_polarmp.models import PolarMPNet, load_model  # the network imports e3nn, whose tables are pickles
def trap(*args, **kwargs):
    raise SystemExit("unpickling")
pickle.load = pickle.loads = pickle.Unpickler = torch.load = trap
assert load_model({str(path)!r}).species == (1, 8)
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=os.getcwd())
