"""Calculators of ASE: structures for them, and a check of their derivatives."""

import ase
import numpy as np
import pytest

from support.torch_sources import CELL, make_atoms


def structures():
    positions, species = make_atoms(9, CELL)
    box = ase.Atoms(species.numpy(), positions.numpy(), cell=CELL.numpy(), pbc=True)
    return [box, ase.Atoms(species.numpy(), positions.numpy())]


def derivative(atoms, displace, step=1e-4):
    """Of the energy by a displacement."""
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.calc = atoms.calc
        displace(moved, sign * step)
        energies.append(moved.get_potential_energy())
    return (energies[0] - energies[1]) / (2 * step)


def check_derivatives(atoms, tolerance=1e-6):
    """A force and, in a box, a component of the stress by finite differences."""

    def move(atoms, step):
        atoms.positions[2, 1] += step

    def shear(atoms, step):
        strain = np.eye(3)
        strain[0, 1] = strain[1, 0] = step / 2
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)

    forces = atoms.get_forces()
    assert forces[2, 1] == pytest.approx(-derivative(atoms, move), abs=tolerance)
    if atoms.pbc.all():
        stress = atoms.get_stress(voigt=False)
        assert stress[0, 1] == pytest.approx(derivative(atoms, shear) / atoms.get_volume(), abs=tolerance)
