"""Reading and checking of training data."""

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from support.ionic import ionic_frames
from support.models import tiny_model

from openmm_polarmp.training import Structure, fit_reference_energies, labels, read_frames, training_range
from openmm_polarmp.training.data import hdf5


def _frame(symbols, energy, forces=0.0):
    atoms = Atoms(symbols, positions=np.arange(3.0 * len(symbols)).reshape(-1, 3))
    labels = {} if energy is None else {"energy": energy}
    if forces is not None:
        labels["forces"] = np.full((len(symbols), 3), forces)
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (_frame(["H"], np.nan), "frame 1: energy is NaN or infinite"),
        (_frame(["H"], 1.0, np.nan), "frame 1: forces is NaN or infinite"),
        (_frame(["H"], None), "frame 1: has no energy"),
        (_frame(["H"], 1.0, None), "frame 1: has no forces"),
        (_frame(["He"], 1.0), r"frame 1: has the elements \['He'\]"),
    ],
)
def test_bad_frame_is_named(tmp_path, bad, message):
    path = tmp_path / "bad.extxyz"
    ase.io.write(path, [_frame(["H"], 1.0), bad])
    with pytest.raises(ValueError, match=f"bad.extxyz, {message}"):
        read_frames(path, elements=["H", "O"])


def test_empty_file(tmp_path):
    path = tmp_path / "empty.extxyz"
    path.touch()
    with pytest.raises(ValueError, match="without frames"):
        read_frames(path)


def test_reference_energies_are_recovered(tmp_path):
    path = tmp_path / "good.extxyz"
    ase.io.write(path, [_frame(["H", "H"], -2.0), _frame(["O", "H"], -11.0), _frame(["O", "H", "H"], -12.0)])
    assert fit_reference_energies(read_frames(path)) == pytest.approx({"H": -1.0, "O": -10.0})


@pytest.mark.parametrize("name", ["data.extxyz", "data.db", "data.h5"])
def test_every_format_gives_the_same_labels(tmp_path, name):
    frames = [*ionic_frames(2), *ionic_frames(2, box=None, pairs=3)]
    for frame in frames:
        frame.arrays["molecules"] = np.arange(len(frame)) // 2
        frame.info["energy_weight"], frame.info["weight"] = 0.5, 0.1
        if not frame.pbc.any():
            frame.info["external_field"] = np.array([0.1, 0.2, -0.3])
        frame.arrays["molecule_charges"] = np.where(frame.arrays["molecules"] == 1, 1.0, 0.0)
    if name.endswith("h5"):
        hdf5.write(tmp_path / name, frames)
    elif name.endswith("db"):
        with ase.db.connect(tmp_path / name) as database:
            for frame in frames:
                database.write(frame)
    else:
        ase.io.write(tmp_path / name, frames)
    read = read_frames(tmp_path / name)
    assert len(read) == 4
    for frame, again in zip(frames, read, strict=True):
        assert np.array_equal(frame.numbers, again.numbers)
        np.testing.assert_allclose(frame.positions, again.positions, atol=1e-8)
        expected, found = labels(frame), labels(again)
        if name.endswith("db"):  # a database keeps calculated labels only
            expected = {k: v for k, v in expected.items() if k in ("energy", "forces", "stress")}
        assert set(found) >= set(expected)
        for label, value in expected.items():
            np.testing.assert_allclose(found[label], value, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f.calc.results.update(forces=f.calc.results["forces"] * 1e5),
            r"rms force is .* eV/A; at most 1000",
        ),
        (
            lambda f: f.arrays.update(bec=np.zeros((len(f), 6))),
            r"born_charges has shape \(16, 6\); \(16, 3, 3\) is accepted",
        ),
        (lambda f: f.set_pbc([True, True, False]), r"pbc is \[True, True, False\]"),
        (lambda f: f.info.update(dipole=[np.nan] * 3), "dipole is NaN or infinite"),
    ],
)
def test_strange_labels_are_named(tmp_path, change, message):
    frames = ionic_frames(2)
    for frame in frames:
        del frame.arrays["born_charges"]
    change(frames[1])
    ase.io.write(tmp_path / "a.extxyz", frames)
    with pytest.raises(ValueError, match=f"a.extxyz, frame 1: {message}"):
        read_frames(tmp_path / "a.extxyz")


@pytest.mark.parametrize("name", ["a.extxyz", "a.h5", "a.db"])
def test_files_that_are_no_data(tmp_path, name):
    (tmp_path / name).write_text("nonsense\n" * 3)
    with pytest.raises(ValueError, match=name):
        read_frames(tmp_path / name)


def test_frames_of_little_weight_do_not_widen_the_range():
    model = tiny_model((3, 9, 11, 17), "q").double()
    frames = [ionic_frames(1, seed=seed, pairs=3, box=None)[0] for seed in (1, 2)]
    frames[1].info["weight"] = 0.1
    members = [Structure.of(frame, model.cutoff) for frame in frames]
    first, light, both = (training_range(part, model) for part in (members[:1], members[1:], members))
    assert both == first != light
    assert light.largest_force == pytest.approx(members[1].forces.norm(dim=1).max().item())
