"""What must hold along a trajectory: forces are derivatives, pairs are kept and searched, runs repeat themselves."""

import numpy as np
import openmm
import pytest
from support import networks
from support.networks import (
    CUBIC,
    THIN,
    TRICLINIC,
    Structure,
    assert_equal_results,
    random_model,
    random_structure,
    results,
)

DOUBLE = [e for e in networks.EVALUATORS if e.precision == "double"]


@pytest.mark.parametrize("evaluator", DOUBLE, ids=str)
@pytest.mark.parametrize("cell", [None, TRICLINIC, THIN], ids=["cluster", "triclinic", "several images"])
def test_forces_are_the_energy_s_derivatives(evaluator, cell):
    structure = random_structure(15, cell)
    context = evaluator.context(random_model(layers=2, zbl=True, polarizability="tensor"), structure)
    forces = results(context)["forces"]
    positions, step = 0.1 * structure.positions, 1e-5  # nm
    for atom, axis in ((0, 0), (3, 1), (7, 2), (14, 0)):
        energies = []
        for sign in (1, -1):
            moved = positions.copy()
            moved[atom, axis] += sign * step
            context.setPositions(moved)
            energies.append(results(context)["energy"])
        assert (energies[1] - energies[0]) / (2 * step) == pytest.approx(
            forces[atom, axis], rel=1e-5, abs=1e-6 * np.abs(forces).max()
        )


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", [None, TRICLINIC, THIN], ids=["cluster", "triclinic", "several images"])
def test_kept_pairs(evaluator, cell, layers):
    """Atoms that wander and are wrapped by box vectors at random: as if evaluated anew at each step."""
    structure = random_structure(30, cell, seed=1)
    model = random_model(layers=layers, zbl=True)
    context = evaluator.context(model, structure)
    rng = np.random.default_rng(0)
    positions = structure.positions
    for _ in range(12):  # the pairs hold for about three of these steps
        positions = positions + 0.04 * rng.normal(size=positions.shape)
        if cell is not None:
            positions = positions + rng.integers(-1, 2, positions.shape) @ cell
        context.setPositions(0.1 * positions)
        anew = evaluator.context(model, Structure(positions, structure.species, cell))
        assert_equal_results(results(context), results(anew), evaluator.tolerance)


def test_atoms_that_come_from_beyond_the_skin_meet(evaluator):
    """The pair was not in the list, and each of the two goes less than the skin of 0.5 A."""
    model, species = random_model(), [8, 1]
    far, near = (np.array([[0.0, 0, z], [0, 0, 4.01 - z]]) for z in (0.0, 0.35))
    context = evaluator.context(model, Structure(far, species, None))
    apart = results(context)
    context.setPositions(0.1 * near)
    found = results(context)
    assert np.abs(apart["dipoles"]).max() == 0 and np.abs(found["dipoles"]).min(0)[2] > 1e-6
    assert_equal_results(found, results(evaluator.context(model, Structure(near, species, None))), evaluator.tolerance)


def test_other_box(evaluator):
    """A barostat changes the box with the positions, and may take it back."""
    structure = random_structure(30, CUBIC)
    model = random_model()
    context = evaluator.context(model, structure)
    before = results(context)
    for scale in (1.02, 0.97, 1.0):
        context.setPeriodicBoxVectors(*(0.1 * scale * CUBIC))
        context.setPositions(0.1 * scale * structure.positions)
        anew = evaluator.context(model, Structure(scale * structure.positions, structure.species, scale * CUBIC))
        found = results(context)
        assert_equal_results(found, results(anew), evaluator.tolerance)
    assert_equal_results(found, before, evaluator.tolerance)


def test_more_neighbours_than_before(evaluator):
    """A cluster that is pressed together: tables grow."""
    spread = random_structure(60, None)
    model = random_model()
    context = evaluator.context(model, Structure(3 * spread.positions, spread.species, None))
    results(context)
    context.setPositions(0.1 * 0.7 * spread.positions)
    anew = evaluator.context(model, Structure(0.7 * spread.positions, spread.species, None))
    assert_equal_results(results(context), results(anew), evaluator.tolerance)


@pytest.mark.parametrize("layers", [1, 2])
def test_order_of_atoms(evaluator, layers):
    structure = random_structure(50, CUBIC)
    order = np.random.default_rng(0).permutation(50)
    turned = Structure(structure.positions[order], [structure.species[k] for k in order], CUBIC)
    model = random_model(layers=layers)
    expected, found = (results(evaluator.context(model, s)) for s in (structure, turned))
    back = np.argsort(order)
    for name, value in found.items():
        if np.shape(value)[:1] == (50,) and not name.startswith("pair_"):
            found[name] = value[back]
    assert_equal_results(found, expected, evaluator.tolerance)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("precision", ["single", "double"])
def test_threads(precision, layers):
    """The same numbers from run to run, and from another number of threads up to rounding."""
    evaluator = networks.Evaluator("CPU", precision)
    structure = random_structure(300, np.diag([15.0, 16.0, 17.0]))
    model = random_model(layers=layers, zbl=True)
    found = [results(evaluator.context(model, structure, {"Threads": str(n)})) for n in (1, 2, 2, 5)]
    for other in found[1:]:
        assert_equal_results(other, found[0], 1e-12 if precision == "double" else 2e-6)
    for name in ("source_energy", *(moment.name for moment in networks.MOMENTS)):
        np.testing.assert_array_equal(found[1][name], found[2][name])


@pytest.mark.parametrize("layers", [1, 2])
def test_energy_is_conserved(evaluator, layers):
    """Dynamics in a box, with wrapping: what a wrong pair or force would make the energy jump by is far larger."""
    structure = random_structure(60, CUBIC, closest=1.6)
    context = evaluator.context(random_model(layers=layers, zbl=True), structure)
    integrator = context.getIntegrator()
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=20)
    context.setVelocitiesToTemperature(300, 1)
    energies = []
    for step in range(60):
        integrator.step(2)
        if step % 10 == 5:
            context.setPositions(context.getState(positions=True, enforcePeriodicBox=True).getPositions(asNumpy=True))
        state = context.getState(energy=True)
        energies.append((state.getPotentialEnergy() + state.getKineticEnergy())._value)
    kinetic = state.getKineticEnergy()._value
    assert np.ptp(energies) < 0.02 * kinetic
