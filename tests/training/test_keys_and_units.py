"""Labels under other names are read, or said; numbers in other units are noticed."""

import ase
import ase.io
import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from support.ionic import ionic_frames

from openmm_polarmp.training import labels, read_frames, train
from openmm_polarmp.training.data.suspicions import suspicions


def other_names(path, frames):
    """The same labels as programs of others write them."""
    for frame in frames:
        found = labels(frame)
        frame.calc = None
        frame.info = {"REF_energy": float(found["energy"]), "charge": 1.0}
        frame.arrays["REF_forces"] = found["forces"]
    ase.io.write(path, frames)
    return frames


def test_labels_under_other_names(tmp_path):
    path = tmp_path / "d.extxyz"
    expected = [labels(frame) for frame in ionic_frames(2)]
    other_names(path, ionic_frames(2))
    with pytest.raises(
        ValueError, match=r"frame 0: has no total_charge, but it has 'charge', which 'keys: {total_charge: charge}'"
    ):
        read_frames(path)
    with pytest.raises(
        ValueError, match=r"frame 0: has no energy; it has 'REF_energy', which 'keys: {energy: REF_energy}'"
    ):
        read_frames(path, keys={"total_charge": "charge"})
    keys = {"total_charge": "charge", "energy": "REF_energy", "forces": "REF_forces"}
    for frame, before in zip(read_frames(path, keys=keys), expected, strict=True):
        found = labels(frame)
        assert found["energy"] == pytest.approx(before["energy"]) and found["total_charge"] == 1.0
        np.testing.assert_allclose(found["forces"], before["forces"], atol=1e-7)
        assert frame.get_potential_energy() == pytest.approx(float(before["energy"]))


def test_a_configuration_with_keys(tmp_path, runs):
    other_names(tmp_path / "other.extxyz", ionic_frames(6))
    keys = {"total_charge": "charge", "energy": "REF_energy", "forces": "REF_forces"}
    data = {"train": ["other.extxyz"], "keys": keys}
    result = train(runs.configure(tmp_path, data=data, model={"charge_projection": True}), quiet=True)
    assert len(result.rows) == 2
    with pytest.raises(ValueError, match="keys has force; energy, forces, stress"):
        runs.configure(tmp_path, data={"keys": {"force": "REF_forces"}})


def test_an_optional_label_is_hinted_at(tmp_path):
    frames = ionic_frames(2)
    for frame in frames:
        frame.info["dipole_moment"] = np.zeros(3)
        frame.info.pop("dipole", None)
        frame.calc.results.pop("dipole", None)
    ase.io.write(tmp_path / "d.extxyz", frames)
    with pytest.warns(UserWarning, match=r"frame 0: has no dipole, but it has 'dipole_moment'") as caught:
        read_frames(tmp_path / "d.extxyz")
    assert len(caught) == 1


def waters(length=1.0, energy=1.0, force=1.0):
    """Molecules of water, energies of all electrons, in units of our choice."""
    rng, frames = np.random.default_rng(0), []
    for _ in range(20):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(size=(3, 3)) * 0.03
        forces = rng.normal(size=(3, 3)) * 1.5
        total = (-76.4 + 0.01 * rng.normal()) * 27.211386
        atoms.calc = SinglePointCalculator(atoms, energy=total * energy, forces=forces * force / length)
        atoms.positions *= length
        frames.append(atoms)
    return frames


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ({}, []),
        ({"length": 0.1}, ["positions may be in nm"]),
        ({"length": 1.8897}, ["positions may be in bohr"]),
        ({"energy": 1 / 27.211386, "force": 1 / 51.42}, ["all electrons in hartree", "may be in hartree/bohr"]),
        ({"energy": 23.06, "force": 23.06}, ["all electrons in kcal/mol", "kcal/mol/A"]),
        ({"energy": 96.485, "force": 96.485}, ["all electrons in kJ/mol", "kcal/mol/A or kJ/mol"]),
    ],
    ids=["right", "nm", "bohr", "hartree", "kcal", "kJ"],
)
def test_other_units_are_noticed(units, said):
    sentences = suspicions(waters(**units))
    assert len(sentences) == len(said)
    for sentence, part in zip(sentences, said, strict=True):
        assert part in sentence


def test_data_of_this_project_raise_no_suspicion():
    assert suspicions(ionic_frames(10)) == [] and suspicions(ionic_frames(5, box=None)) == []
    assert (
        suspicions(
            [ase.Atoms("Ar", calculator=SinglePointCalculator(ase.Atoms("Ar"), energy=0.0, forces=np.zeros((1, 3))))]
        )
        == []
    )


def test_a_cutoff_in_nm(tmp_path, runs):
    with pytest.raises(ValueError, match=r"model.cutoff is 0.4 A, but atoms are .* \(is it in nm\?\)"):
        train(runs.configure(tmp_path, model={"cutoff": 0.4}), quiet=True)
