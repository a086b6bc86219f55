"""The calculator against finite differences, invariances, and in ASE's own relaxation, path and vibration modules."""

import ase
import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.mep import NEB
from ase.optimize import BFGS
from ase.vibrations import Infrared
from support.models import tiny_model
from support.water import water

from openmm_polarmp.ase import PolarMPCalculator, openmm_box

TRICLINIC = np.array([[6.2, 0.1, -0.2], [3.4, 6.1, 0.3], [-2.5, 3.3, 6.4]])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """File of a small untrained model."""
    file = tmp_path_factory.mktemp("model") / "tiny.polarmp"
    tiny_model().double().save(file)
    return file


@pytest.fixture(scope="module")
def calculator(path):
    return PolarMPCalculator(path, platform="Reference", accuracy=1e-8)


def box():
    """Eight molecules in a skewed cell, whose lattice OpenMM wants turned and reduced."""
    _, positions = water(8)
    positions = 10 * positions
    return ase.Atoms("OH2" * 8, positions @ np.linalg.inv(np.eye(3) * 6.2) @ TRICLINIC, cell=TRICLINIC, pbc=True)


def dimer(distance=2.9):
    one, two = molecule("H2O"), molecule("H2O")
    two.positions += [0.4, 0.3, distance]
    return one + two


@pytest.mark.parametrize("make", [box, dimer])
def test_forces_are_the_gradient(calculator, make):
    atoms = make()
    atoms.calc = calculator
    expected = calculate_numerical_forces(atoms, eps=1e-4, iatoms=[0, 4])
    np.testing.assert_allclose(atoms.get_forces()[[0, 4]], expected, atol=2e-5)


def test_stress_is_the_derivative(calculator):
    atoms = box()
    atoms.calc = calculator
    expected = calculate_numerical_stress(atoms, eps=1e-4)
    np.testing.assert_allclose(atoms.get_stress(), expected, atol=1e-6, rtol=1e-4)


def test_the_same_lattice_in_other_vectors(calculator):
    """Left-handed and not reduced: energies equal, forces those of the atoms' axes."""
    atoms = box()
    atoms.calc = calculator
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    other = atoms.copy()
    other.set_cell(np.array([TRICLINIC[1], TRICLINIC[0] + 2 * TRICLINIC[1], TRICLINIC[2]]))
    other.calc = calculator
    assert other.get_potential_energy() == pytest.approx(energy, abs=1e-6)
    np.testing.assert_allclose(other.get_forces(), forces, atol=1e-6)
    np.testing.assert_allclose(other.get_stress(), stress, atol=1e-7)


def test_openmm_s_form_of_a_cell():
    for cell in (TRICLINIC, TRICLINIC[[1, 0, 2]], np.diag([3.0, 4.0, 5.0])):
        lattice, rotation = openmm_box(cell)
        assert np.allclose(np.triu(lattice, 1), 0) and (np.diag(lattice) > 0).all()
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        whole = lattice @ rotation @ np.linalg.inv(cell)
        np.testing.assert_allclose(whole, np.round(whole), atol=1e-9)  # the same lattice
        assert abs(lattice[1, 0]) <= lattice[0, 0] / 2 + 1e-9 and abs(lattice[2, 1]) <= lattice[1, 1] / 2 + 1e-9
    with pytest.raises(ValueError, match="three vectors that span a volume"):
        openmm_box(np.zeros((3, 3)))


def test_response_of_a_cluster(calculator):
    """Born charges are the derivative of the dipole; everything turns with the molecule."""
    atoms = dimer()
    atoms.calc = calculator
    properties = ["dipole", "charges", "born_effective_charges", "polarizability"]
    found = {name: calculator.get_property(name, atoms) for name in properties}
    assert found["charges"].sum() == pytest.approx(0, abs=1e-3)  # induced charges do not sum to zero exactly
    step, born = 1e-4, found["born_effective_charges"]
    for axis in range(3):
        dipoles = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[1, axis] += sign * step
            moved.calc = calculator
            dipoles.append(moved.get_dipole_moment())
        np.testing.assert_allclose((dipoles[0] - dipoles[1]) / (2 * step), born[1][:, axis], atol=1e-5)
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3), center=(0, 0, 0))
    rotation = np.linalg.lstsq(atoms.positions, turned.positions, rcond=None)[0]
    np.testing.assert_allclose(calculator.get_property("dipole", turned), found["dipole"] @ rotation, atol=1e-6)
    alpha = calculator.get_property("polarizability", turned)
    np.testing.assert_allclose(alpha, rotation.T @ found["polarizability"] @ rotation, atol=1e-6)


def test_charges_of_a_box_without_a_polarizability(tmp_path):
    """Charge that follows from electronegativities moves any distance in a box, but where it is is known."""
    tiny_model(rung="qeq").double().save(tmp_path / "qeq.polarmp")
    atoms = box()
    atoms.calc = PolarMPCalculator(tmp_path / "qeq.polarmp", platform="Reference")
    assert atoms.get_charges().sum() == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="the polarizability is asked for, but in a periodic box"):
        atoms.calc.get_property("polarizability", atoms)


def test_the_charge_of_a_structure(path):
    """The calculator's, or that in the structure's info, whose change ASE does not see by itself."""
    charged = {charge: PolarMPCalculator(path, platform="Reference", charge=charge) for charge in (0.0, 1.0)}
    expected = {charge: calculator.get_property("energy", dimer()) for charge, calculator in charged.items()}
    assert abs(expected[1.0] - expected[0.0]) > 1e-3
    atoms = dimer()
    atoms.calc = PolarMPCalculator(path, platform="Reference")
    for charge in (None, 1.0, 0.0, 1):
        if charge is not None:
            atoms.info["total_charge"] = charge
        assert atoms.get_potential_energy() == pytest.approx(expected[charge or 0.0], abs=1e-9)
    assert charged[1.0].get_property("energy", atoms) == pytest.approx(expected[1.0])
    with pytest.raises(ValueError, match="charge is 0, but the structure's info has a total_charge of 1; the same"):
        charged[0.0].get_property("energy", atoms)
    cell = box()
    cell.info["total_charge"] = 1.0
    stress = PolarMPCalculator(path, platform="Reference").get_stress(cell)
    np.testing.assert_allclose(stress, PolarMPCalculator(path, platform="Reference", charge=1.0).get_stress(box()))
    assert np.abs(stress - PolarMPCalculator(path, platform="Reference").get_stress(box())).max() > 1e-6


def test_what_is_not_there(calculator, path):
    atoms = dimer()
    with pytest.raises(PropertyNotImplementedError, match="stress: structures that are periodic"):
        calculator.get_property("stress", atoms)
    with pytest.raises(PropertyNotImplementedError, match="dipole: structures that are not periodic"):
        calculator.get_property("dipole", box())
    atoms.set_cell([9, 9, 9])
    atoms.pbc = (True, True, False)
    with pytest.raises(ValueError, match=r"pbc is \[True, True, False\]; all three axes or none"):
        calculator.get_property("energy", atoms)
    with pytest.raises(ValueError, match="platform is 'GPU'; CPU"):
        PolarMPCalculator(path, platform="GPU")


def test_relaxation_a_path_and_an_infrared_spectrum(tmp_path, monkeypatch):
    """One water molecule of the shipped model: its modes are where the model's liquid has them; the path turns it round."""
    monkeypatch.chdir(tmp_path)
    atoms = molecule("H2O")
    atoms.calc = PolarMPCalculator("polarmp-water")
    assert BFGS(atoms, logfile=None).run(fmax=1e-3, steps=60)
    spectrum = Infrared(atoms)
    spectrum.run()
    modes = spectrum.get_frequencies().real[-3:]
    assert 1300 < modes[0] < 2000 and 3000 < modes[1] < 4300 and modes[1] < modes[2] < 4500
    assert (spectrum.intensities[-3:] > 0).all()
    mirrored = atoms.copy()
    mirrored.positions[[1, 2]] = atoms.positions[[2, 1]]
    images = [atoms.copy() for _ in range(3)]
    images = [atoms, *images[:2], mirrored]
    band = NEB(images, allow_shared_calculator=True, method="improvedtangent")
    band.interpolate(method="idpp")
    for image in images:
        image.calc = atoms.calc
    before = np.linalg.norm(band.get_forces(), axis=1).max()
    BFGS(band, logfile=None).run(fmax=0.05, steps=4)
    assert np.linalg.norm(band.get_forces(), axis=1).max() < before
    energies = [image.get_potential_energy() for image in images]
    assert min(energies[1:3]) > energies[0] + 0.1 and energies[3] == pytest.approx(energies[0], abs=1e-6)
