"""Every platform, in every precision mode, against the dense sums of the Reference platform and against itself."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from support.platforms import REFERENCE
from support.systems import (
    CUBIC,
    MOMENTS,
    ORTHORHOMBIC,
    TRICLINIC,
    evaluate,
    random_atoms,
    relative_error,
    rms,
    water_like_atoms,
)

# Most systems have 40 atoms: PoCL compiles the kernels anew for every other number.
BOXES = {"cubic": CUBIC, "orthorhombic": ORTHORHOMBIC, "triclinic": TRICLINIC, "cluster": None}


EVALUATED: dict = {}


def by_reference(atoms):
    """As `evaluate`, once for all platforms: dense sums take long."""
    key = tuple(np.asarray(v, float).tobytes() for v in astuple(atoms))
    if key not in EVALUATED:
        EVALUATED[key] = evaluate(atoms, REFERENCE)
    return EVALUATED[key]


def check_against_reference(atoms, platform, tolerance=5e-4):
    energy, forces, force, context = evaluate(atoms, platform, tolerance)
    expected_energy, expected_forces, expected_force, expected_context = by_reference(atoms)
    allowed = tolerance if atoms.cell is not None else platform.rounding
    if len(atoms) > 1:
        assert relative_error(forces, expected_forces) < allowed
    else:  # the force on a single atom is nothing but error: compare with the field of its own moments
        assert rms(forces) <= allowed * abs(expected_energy) / (0.1 * atoms.sigma)
    # Energies gain more from the window's smoothness than forces (theory.md section 5): about 1e-5 eV an atom, 1e-3 kJ/mol,
    # at 5e-4; like the square of the forces' error on coarser meshes.
    per_atom = 1e-3 * max(1, tolerance / 5e-4) ** 2
    assert energy == pytest.approx(expected_energy, rel=platform.rounding, abs=per_atom * len(atoms))
    gradients, expected = force.getMomentGradients(context), expected_force.getMomentGradients(expected_context)
    for name in gradients:
        assert np.abs(gradients[name] - expected[name]).max() <= 4 * allowed * np.abs(expected[name]).max(), name
    for getter in ("getCharges", "getLabFramePermanentDipoles", "getQuadrupoles", "getSoftness", "getPolarizabilities"):
        given = getattr(force, getter)(context)
        wanted = getattr(expected_force, getter)(expected_context)
        np.testing.assert_allclose(given, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max(), err_msg=getter)
    for getter in ("getInducedCharges", "getInducedDipoles", "getTotalDipoles", "getSystemMultipoleMoments"):
        given = getattr(force, getter)(context)
        wanted = getattr(expected_force, getter)(expected_context)
        assert np.abs(given - wanted).max() <= 4 * allowed * np.abs(wanted).max() + 1e-12, getter
    points = 0.2 * np.random.default_rng(1).normal(size=(17, 3))
    given = force.getElectrostaticPotential(points, context)
    wanted = expected_force.getElectrostaticPotential(points, expected_context)
    assert np.abs(given - wanted).max() <= 4 * allowed * np.abs(wanted).max() + 1e-12


@pytest.mark.parametrize(
    ("box", "tolerance"), [*((box, 5e-4) for box in BOXES), ("triclinic", 1e-3), ("triclinic", 1e-4)]
)
def test_tolerance_is_met(fast_platform, box, tolerance):
    check_against_reference(random_atoms(40, BOXES[box]), fast_platform, tolerance)


@pytest.mark.parametrize("tolerance", [5e-4, 1e-4])
def test_tolerance_is_met_for_water(fast_platform, tolerance):
    check_against_reference(water_like_atoms(), fast_platform, tolerance)


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_widths(fast_platform_once, box, sigma):
    check_against_reference(random_atoms(30, BOXES[box], sigma=sigma, charged=True), fast_platform_once)


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
@pytest.mark.parametrize("n", [1, 2])
def test_few_atoms(fast_platform_once, box, n):
    check_against_reference(random_atoms(n, BOXES[box], charged=True), fast_platform_once)


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
@pytest.mark.parametrize("absent", [*((m,) for m in MOMENTS), MOMENTS])
def test_absent_moments(fast_platform_once, box, absent):
    check_against_reference(random_atoms(40, BOXES[box], scalar_alpha=True).without(*absent), fast_platform_once)


def test_thousand_atoms(fast_platform):
    check_against_reference(random_atoms(1000, None), fast_platform)
    check_against_reference(random_atoms(1000, TRICLINIC).without("softness"), fast_platform)


def test_replicas_of_a_small_cell(fast_platform_once):
    """27 x 750 atoms must feel what the 750 feel."""
    small = random_atoms(750, TRICLINIC, charged=False)
    shifts = np.array([[i, j, k] for i in range(3) for j in range(3) for k in range(3)]) @ small.cell
    large = replace(
        small.reordered(np.tile(np.arange(750), 27)),
        positions=(small.positions[None] + shifts[:, None]).reshape(-1, 3),
        cell=3 * small.cell,
    )
    energy, forces, *_ = evaluate(small, fast_platform_once)
    energies, replicas, *_ = evaluate(large, fast_platform_once)
    assert energies == pytest.approx(27 * energy, rel=fast_platform_once.rounding, abs=2e-3 * len(large))
    assert relative_error(replicas, np.tile(forces, (27, 1))) < 5e-4


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_forces_are_derivatives(platform, box):
    """Along random directions of all atoms together, so that rounding averages out."""
    atoms = random_atoms(40, BOXES[box], charged=True)
    _, forces, _, context = evaluate(atoms, platform, tolerance=1e-4)
    # Steps as large as single precision needs; the fourth-order formula leaves an error of h^4.
    step = 2e-4 if platform.precision in (None, "double") and platform.name != "CPU" else 2e-3
    for seed in range(3):
        direction = np.random.default_rng(seed).normal(size=forces.shape)

        def energy(h, direction=direction):
            context.setPositions(0.1 * atoms.positions + h * direction)
            return context.getState(energy=True).getPotentialEnergy()._value

        slope = (8 * (energy(step) - energy(-step)) - (energy(2 * step) - energy(-2 * step))) / (12 * step)
        scale = rms(forces) * np.sqrt(forces.size)
        # A mesh makes energies and forces that agree only to the asked accuracy; sums over pairs have no such error.
        allowed = 1e-7 if platform.name == "Reference" else 1e-4 if box == "triclinic" else 10 * platform.rounding
        assert slope == pytest.approx(-np.sum(forces * direction), abs=allowed * scale)


def test_wrapping_order_and_shift(platform):
    atoms = random_atoms(40, TRICLINIC)
    energy, forces, *_ = evaluate(atoms, platform)
    rng = np.random.default_rng(5)
    wrapped = replace(atoms, positions=atoms.positions + rng.integers(-2, 3, (40, 3)) @ atoms.cell)
    shifted = replace(atoms, positions=atoms.positions + rng.normal(size=3))
    order = rng.permutation(40)
    # Against another place on the mesh forces are right to the asked accuracy; the rest is rounding.
    rounding = 10 * platform.rounding
    for changed, expected, allowed in [
        (wrapped, forces, rounding),
        (atoms.reordered(order), forces[order], rounding),
        (shifted, forces, rounding if platform.name == "Reference" else 5e-4),
    ]:
        changed_energy, changed_forces, *_ = evaluate(changed, platform)
        assert changed_energy == pytest.approx(energy, rel=allowed)
        assert relative_error(changed_forces, expected) < allowed


def test_box_change_equals_a_fresh_context(platform):
    """Also when the box grows so much that the mesh has to grow with it."""
    import openmm

    atoms = random_atoms(40, TRICLINIC)
    _, _, _, context = evaluate(atoms, platform)
    for scale in (1.01, 1.3, 0.97):
        changed = replace(atoms, positions=scale * atoms.positions, cell=scale * atoms.cell)
        context.setPeriodicBoxVectors(*(openmm.Vec3(*(0.1 * v)) for v in changed.cell))
        context.setPositions(0.1 * changed.positions)
        state = context.getState(energy=True, forces=True)
        energy, forces, *_ = evaluate(changed, REFERENCE)
        allowed = max(5e-4, platform.rounding)
        assert state.getPotentialEnergy()._value == pytest.approx(energy, rel=allowed)
        assert relative_error(state.getForces(asNumpy=True)._value, forces) < allowed


@pytest.mark.parametrize("k_max", [3.0, 5.0])
def test_hard_cutoff(platform, k_max):
    """A truncated sum is reproduced, not improved."""
    from support.oracle import dense
    from support.systems import make_force

    atoms = random_atoms(40, TRICLINIC)
    force = make_force(atoms)
    force.setKMax(10 * k_max)
    energy, forces, *_ = evaluate(atoms, platform, force=force)
    expected_energy, expected_forces, _ = dense(atoms, k_max=k_max)
    allowed = 1e-9 if platform.name == "Reference" else 5e-4
    assert energy == pytest.approx(expected_energy, rel=allowed)
    assert relative_error(forces, expected_forces) < allowed
    full_energy, *_ = evaluate(atoms, REFERENCE)
    if k_max == 3.0:
        assert abs(full_energy - energy) > 10 * allowed * abs(energy)  # the cutoff is felt
