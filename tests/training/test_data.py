"""Reading and checking of training data."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from openmm_polarmp.training import fit_reference_energies, read_frames, split_frames


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
        (_frame(["H"], np.nan), "frame 1: energy is not finite"),
        (_frame(["H"], 1.0, np.nan), "frame 1: forces is not finite"),
        (_frame(["H"], None), "frame 1: no energy"),
        (_frame(["H"], 1.0, None), "frame 1: no forces"),
        (_frame(["He"], 1.0), r"frame 1: elements \['He'\]"),
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
    with pytest.raises(ValueError, match="no frames"):
        read_frames(path)


def test_reference_energies_are_recovered(tmp_path):
    path = tmp_path / "good.extxyz"
    ase.io.write(path, [_frame(["H", "H"], -2.0), _frame(["O", "H"], -11.0), _frame(["O", "H", "H"], -12.0)])
    assert fit_reference_energies(read_frames(path)) == pytest.approx({"H": -1.0, "O": -10.0})


def test_split_divides_without_overlap():
    frames = [_frame(["H"], float(i)) for i in range(20)]
    train, held = split_frames(frames, 5, seed=3)
    again, _ = split_frames(frames, 5, seed=3)
    assert len(held) == 5
    assert sorted(f.get_potential_energy() for f in train + held) == list(range(20))
    assert [id(f) for f in train] == [id(f) for f in again]
    with pytest.raises(ValueError, match="validation"):
        split_frames(frames, 20)
