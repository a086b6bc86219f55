"""Meshes of any size, also of those that nobody chooses for their speed, on any number of threads."""

import dataclasses

import numpy as np
import openmm
import pytest
from support.platforms import CPU, REFERENCE
from support.systems import CUBIC, TRICLINIC, energy_and_forces, evaluate, make_force, make_system, random_atoms
from support.systems import relative_error as error

# For a box of 11.4 A.
SIZES = [(24, 24, 24), (29, 23, 31), (27, 25, 21), (22, 34, 26), (35, 28, 33), (32, 21, 37)]


def check_size(platform, size, tolerance):
    atoms = random_atoms(150, CUBIC)
    force = make_force(atoms, tolerance)
    force.setPMEParameters(*size)
    energy, forces, _, context = evaluate(atoms, platform, force=force)
    assert force.getPMEParametersInContext(context) == size
    expected_energy, expected_forces, _, _ = evaluate(atoms, REFERENCE)
    assert energy == pytest.approx(expected_energy, rel=platform.rounding, abs=1e-3 * len(atoms))
    assert error(forces, expected_forces) < 5e-4


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("precision", ["single", "double"])
def test_any_size_of_the_cpu_s_own_transform(size, precision):
    if precision == "single":
        check_size(CPU, size, 5e-4)
    else:  # from stricter tolerances on, which need finer meshes
        check_size(CPU, tuple(n + 6 for n in size), 3e-5)


@pytest.mark.parametrize("size", [(24, 24, 24), (29, 23, 31), (22, 34, 26)], ids=lambda size: "x".join(map(str, size)))
def test_any_size_on_a_device(device, size):
    """There the Fourier transform is OpenMM's: of one, and of odd and even different sizes along the axes."""
    check_size(device, size, 5e-4)


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 40])
def test_any_number_of_threads(threads):
    """Also more than there are planes in the mesh; the sums then run in another order."""
    atoms = random_atoms(50, TRICLINIC, charged=True)
    expected_energy, expected_forces, _, _ = evaluate(atoms, REFERENCE)
    platform = openmm.Platform.getPlatformByName("CPU")
    system = make_system(len(atoms), atoms.cell, make_force(atoms, 1e-4))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Threads": str(threads)})
    for _ in range(3):
        context.setPositions(0.1 * atoms.positions)
        energy, forces = energy_and_forces(context)
        assert energy == pytest.approx(expected_energy, rel=1e-4)
        assert error(forces, expected_forces) < 1e-4


@pytest.mark.parametrize(("box", "k_max"), [(CUBIC, 0.0), (TRICLINIC, 4.0)], ids=["cubic", "triclinic cut off"])
def test_every_platform_sums_over_the_same_mesh(device_platform, box, k_max):
    """The CPU platform computes the influence function on the host, devices in a kernel, also when the box changes: the mesh's
    own error is common to them."""
    atoms = random_atoms(40, box, charged=True)
    results = []
    for platform in (CPU, device_platform):
        force = make_force(atoms, 3e-5)  # in double precision on the CPU
        force.setPMEParameters(25, 24, 27)
        force.setKMax(10 * k_max)
        _, _, _, context = evaluate(atoms, platform, force=force)
        context.setPeriodicBoxVectors(*(openmm.Vec3(*(0.097 * v)) for v in atoms.cell))
        context.setPositions(0.097 * atoms.positions)
        results.append(energy_and_forces(context))
    (expected_energy, expected_forces), (energy, forces) = results
    assert energy == pytest.approx(expected_energy, rel=device_platform.rounding)
    assert error(forces, expected_forces) < device_platform.rounding


def test_the_same_from_run_to_run(device_platform):
    """To the last bit (the CPU's sums depend on the number of threads), although a device adds atoms up in another order every time, and sorts them by where they lay steps ago."""
    atoms = random_atoms(2000, TRICLINIC)
    _, expected, _, _ = evaluate(atoms, device_platform)
    elsewhere = dataclasses.replace(atoms, positions=random_atoms(2000, TRICLINIC, seed=1).positions)
    _, other, _, context = evaluate(elsewhere, device_platform)
    assert error(other, expected) > 0.1
    for _ in range(3):
        context.setPositions(0.1 * atoms.positions)
        _, forces = energy_and_forces(context)
        np.testing.assert_array_equal(forces, expected)


def test_a_box_whose_mesh_would_not_fit_is_refused(fast_platform_once):
    """Before anything is allocated; the Context goes on in a smaller box."""
    if fast_platform_once.name != "CPU" and fast_platform_once.precision == "single":
        pytest.skip("one precision is enough")
    atoms = random_atoms(2, CUBIC)
    energy, *_, context = evaluate(atoms, fast_platform_once)
    box = context.getState().getPeriodicBoxVectors()
    context.setPeriodicBoxVectors(*(98.7 * np.eye(3)))
    with pytest.raises(
        openmm.OpenMMException, match=r"box vectors of 987, 987, 987 A need a mesh of \d+ x .*use NoCutoff"
    ):
        context.getState(energy=True)
    context.setPeriodicBoxVectors(*box)
    assert context.getState(energy=True).getPotentialEnergy()._value == pytest.approx(energy)
