"""Frames for the tests of labels."""

import ase
import numpy as np


def water(shift: float = 0.0) -> ase.Atoms:
    positions = [[0, 0, shift], [0.757, 0.586, 0.1], [-0.757, 0.586, 0]]
    return ase.Atoms("OHH", np.array(positions) + 1.0)


def moved(frame: ase.Atoms, atom: int, axis: int, by: float) -> ase.Atoms:
    copy = frame.copy()
    copy.positions[atom, axis] += by
    return copy


def strained(frame: ase.Atoms, a: int, b: int, by: float) -> ase.Atoms:
    """A box whose symmetric strain has the elements ab and ba, together ``by``."""
    strain = np.zeros((3, 3))
    strain[a, b] += by / 2
    strain[b, a] += by / 2
    copy = frame.copy()
    copy.set_cell(frame.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return copy
