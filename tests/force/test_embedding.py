"""Multipoles among point charges: theory.md section 11."""

from dataclasses import replace

import numpy as np
import openmm
import pytest
from openmm import unit
from support.embedding import Embedded, dense, random_charges
from support.platforms import PlatformChoice
from support.systems import (
    CUBIC,
    MOMENTS,
    TRICLINIC,
    energy_and_forces,
    evaluate,
    make_system,
    random_atoms,
    relative_error,
    rms,
)

from openmm_polarmp import FixedMultipoles, PolarMPForce

REFERENCE = PlatformChoice("Reference")
BOXES = {"cubic": CUBIC, "triclinic": TRICLINIC, "cluster": None}


def embedded(box: str, n: int = 20, charges: int = 30, charged: bool = False, **options) -> Embedded:
    return random_charges(random_atoms(n, BOXES[box], charged=charged), charges, charged, **options)


def allowed_error(platform, box: str, tolerance: float = 5e-4) -> float:
    if platform.name == "Reference":
        return 1e-7  # a point's kernel is cut off where it differs from the smeared one by 2e-9
    return tolerance if box != "cluster" else platform.rounding


@pytest.mark.parametrize("kernel", PolarMPForce.EMBEDDING_KERNELS)
@pytest.mark.parametrize("box", BOXES)
def test_equals_the_sum_over_explicit_charges(platform, box, kernel):
    """Energy, forces on every particle, potential and field; net charges and a scale; total momentum is conserved."""
    system = embedded(box, charged=True, scale=0.8, kernel=kernel)
    context, force = system.context(platform)
    energy, forces = energy_and_forces(context)
    expected_energy, expected, potential, field = dense(system)
    allowed = allowed_error(platform, box)
    n = len(system.atoms)
    assert energy == pytest.approx(expected_energy, rel=max(allowed, platform.rounding))
    assert relative_error(forces[:n], expected[:n]) < allowed
    assert relative_error(forces[n:], expected[n:]) < allowed
    assert relative_error(force.getEmbeddingPotential(context), potential) < allowed
    assert relative_error(force.getEmbeddingField(context), field) < allowed
    # A mesh conserves momentum to its accuracy; sums over pairs and waves do to rounding.
    assert np.abs(forces.sum(0)).max() < max(allowed, platform.rounding) * np.abs(forces).sum()


@pytest.mark.parametrize("box", BOXES)
def test_equals_charges_among_the_multipoles(platform, box):
    """Charges that are multipoles themselves differ by their energy among each other alone."""
    system = embedded(box)
    atoms, m = system.atoms, len(system.charges)
    charges = replace(
        atoms,
        positions=system.places,
        charges=system.charges,
        **{name: None for name in MOMENTS},
    )
    whole = replace(
        atoms,
        positions=np.concatenate([atoms.positions, system.places]),
        charges=np.concatenate([atoms.charges, system.charges]),
        **{name: np.concatenate([v := getattr(atoms, name), np.zeros((m, *v.shape[1:]))]) for name in MOMENTS},
    )
    context, _ = system.context(platform)
    energy, forces = energy_and_forces(context)
    expected, expected_forces, *_ = evaluate(whole, platform)
    among, forces_among, *_ = evaluate(charges, platform)
    expected_forces[len(atoms) :] -= forces_among
    allowed = max(allowed_error(platform, box), platform.rounding)
    assert energy == pytest.approx(expected - among, abs=allowed * (abs(expected) + abs(among)))
    assert relative_error(forces, expected_forces) < 2 * allowed


@pytest.mark.parametrize("kernel", PolarMPForce.EMBEDDING_KERNELS)
@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_forces_are_derivatives(platform, box, kernel):
    """Along random directions of all particles together, of the atoms alone and of the charges alone."""
    system = embedded(box, charged=True, kernel=kernel)
    context, _ = system.context(platform, tolerance=1e-4)
    _, forces = energy_and_forces(context)
    step = 2e-4 if platform.precision in (None, "double") and platform.name != "CPU" else 2e-3
    n = len(system.atoms)
    for seed, moving in enumerate((slice(None), slice(0, n), slice(n, None))):
        direction = np.zeros_like(forces)
        direction[moving] = np.random.default_rng(seed).normal(size=forces[moving].shape)

        def energy(h, direction=direction):
            context.setPositions(system.positions + h * direction)
            return context.getState(energy=True).getPotentialEnergy()._value

        slope = (8 * (energy(step) - energy(-step)) - (energy(2 * step) - energy(-2 * step))) / (12 * step)
        scale = rms(forces) * np.sqrt(forces.size)
        allowed = 1e-6 if platform.name == "Reference" else 2e-4 if box == "triclinic" else 10 * platform.rounding
        assert slope == pytest.approx(-np.sum(forces * direction), abs=allowed * scale)


@pytest.mark.parametrize("absent", [(), ("softness",), ("softness", "polarizability"), MOMENTS])
def test_absent_moments(platform_once, absent):
    system = random_charges(random_atoms(20, TRICLINIC).without(*absent), 30)
    context, _ = system.context(platform_once)
    energy, forces = energy_and_forces(context)
    expected_energy, expected, *_ = dense(system)
    assert energy == pytest.approx(expected_energy, rel=5e-4)
    assert relative_error(forces, expected) < 5e-4


def test_no_polarization(platform_once):
    """Without induced moments the charges act on the permanent ones alone."""
    system = embedded("triclinic")
    force = system.force()
    force.setPolarizationType(PolarMPForce.NoPolarization)
    context = platform_once.context(make_system(len(system.positions), system.atoms.cell, force))
    context.setPositions(system.positions)
    energy, forces = energy_and_forces(context)
    expected_energy, expected, *_ = dense(replace(system, atoms=system.atoms.without("softness", "polarizability")))
    assert energy == pytest.approx(expected_energy, rel=5e-4)
    assert relative_error(forces, expected) < 5e-4


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_charges_of_zero_change_nothing(platform_once, box):
    system = embedded(box)
    system = replace(system, charges=np.zeros_like(system.charges))
    context, _ = system.context(platform_once)
    energy, forces = energy_and_forces(context)
    expected, expected_forces, *_ = evaluate(system.atoms, platform_once)
    n = len(system.atoms)
    assert energy == pytest.approx(expected, rel=10 * platform_once.rounding)
    assert relative_error(forces[:n], expected_forces) < 10 * platform_once.rounding
    assert np.abs(forces[n:]).max() == 0


@pytest.mark.parametrize("box", ["triclinic", "cluster"])
def test_updates(platform_once, box):
    """Charges, scale and kernel can be changed in a Context."""
    system = embedded(box)
    context, force = system.context(platform_once)
    energy_and_forces(context)
    changed = replace(system, charges=-1.5 * system.charges, scale=0.5, kernel="point")
    particles, _ = force.getEmbeddingCharges()
    force.setEmbeddingCharges(particles, changed.charges)
    force.setEmbeddingScale(changed.scale)
    force.setEmbeddingKernel(changed.kernel)
    force.updateParametersInContext(context)
    energy, forces = energy_and_forces(context)
    expected_energy, expected, *_ = dense(changed)
    assert energy == pytest.approx(expected_energy, rel=5e-4)
    assert relative_error(forces, expected) < 5e-4
    force.setEmbeddingCharges(particles[1:], changed.charges[1:])
    with pytest.raises((RuntimeError, openmm.OpenMMException), match="particles with embedding charges differ"):
        force.updateParametersInContext(context)


@pytest.mark.parametrize("kernel", PolarMPForce.EMBEDDING_KERNELS)
def test_box_changes(platform_once, kernel):
    system = embedded("triclinic", kernel=kernel)
    context, _ = system.context(platform_once)
    energy_and_forces(context)
    for scale in (1.02, 1.3, 0.97):
        atoms = replace(system.atoms, positions=scale * system.atoms.positions, cell=scale * system.atoms.cell)
        changed = replace(system, atoms=atoms, places=scale * system.places)
        context.setPeriodicBoxVectors(*(openmm.Vec3(*(0.1 * v)) for v in atoms.cell))
        context.setPositions(changed.positions)
        energy, forces = energy_and_forces(context)
        expected_energy, expected, *_ = dense(changed)
        assert energy == pytest.approx(expected_energy, rel=5e-4)
        assert relative_error(forces, expected) < 5e-4


def test_getters_follow_the_charges(platform_once):
    """A charge that moves makes a new evaluation necessary, also when no atom moves."""
    system = embedded("cubic")
    context, force = system.context(platform_once)
    force.getEmbeddingPotential(context)
    moved = replace(system, places=system.places + 0.3)
    context.setPositions(moved.positions)
    *_, potential, _ = dense(moved)
    assert relative_error(force.getEmbeddingPotential(context), potential) < 5e-4
    without = evaluate(system.atoms, REFERENCE)
    assert not without[2].getEmbeddingPotential(without[3]).any()


def test_water_as_multipoles_equals_nonbonded_force():
    """A FixedMultipoles water far from TIP3P charges: NonbondedForce's own PME, beyond the smearing."""
    edge, q = 40.0, np.array([-0.834, 0.417, 0.417])
    shape = np.array([[0.0, 0, 0], [0.9572, 0, 0], [-0.24, 0.927, 0]])
    places = np.array([[10.0, 10, 10], [18, 11, 12], [10, 20, 9], [30, 30, 21]])
    r = (places[:, None] + shape).reshape(-1, 3)
    charges = np.tile(q, len(places))
    atoms = replace(random_atoms(3, CUBIC), positions=r[:3], charges=q, cell=edge * np.eye(3))
    atoms = atoms.without(*MOMENTS)
    energies, all_forces = [], []
    for kernel in PolarMPForce.EMBEDDING_KERNELS:
        context, _ = Embedded(atoms, r[3:], charges[3:], kernel=kernel).context(REFERENCE)
        energy, forces = energy_and_forces(context)
        alone, alone_forces, *_ = evaluate(atoms, REFERENCE)
        forces[:3] -= alone_forces
        energies.append(energy - alone)
        all_forces.append(forces)

    def coulomb(q):
        force = openmm.NonbondedForce()
        force.setNonbondedMethod(openmm.NonbondedForce.PME)
        force.setCutoffDistance(1.2)
        force.setEwaldErrorTolerance(1e-6)
        for charge in q:
            force.addParticle(charge, 1, 0)
        context = REFERENCE.context(make_system(len(q), atoms.cell, force))
        context.setPositions(0.1 * r)
        return energy_and_forces(context)

    first, others = charges.copy(), charges.copy()
    first[3:] = 0
    others[:3] = 0
    whole, parts = coulomb(charges), (coulomb(first), coulomb(others))
    expected = whole[0] - sum(p[0] for p in parts)
    expected_forces = whole[1] - sum(p[1] for p in parts)
    # The nearest charges are 7 A away: g differs from 1/r by erfc(7/sqrt 2) = 3e-12 there, a point's kernel by less.
    for energy, forces in zip(energies, all_forces, strict=True):
        assert energy == pytest.approx(expected, rel=1e-5)
        assert relative_error(forces, expected_forces) < 1e-4


def test_virtual_sites(platform_once):
    """A charge on a virtual site: OpenMM hands its force to the particles that carry it."""
    system = embedded("cubic", charges=6)
    n = len(system.atoms)
    force = system.force(1e-4)
    particles, charges = force.getEmbeddingCharges()
    force.setEmbeddingCharges(particles[2:], charges[2:])
    full = make_system(n + 6, system.atoms.cell, force)
    full.setParticleMass(n + 5, 0)
    full.setVirtualSite(n + 5, openmm.TwoParticleAverageSite(n, n + 1, 0.3, 0.7))
    context = platform_once.context(full)
    positions = system.positions
    positions[n + 1] = positions[n] + 0.05
    context.setPositions(positions)
    context.computeVirtualSites()
    _, forces = energy_and_forces(context)
    h = 2e-3
    direction = np.zeros_like(positions)
    direction[[n, n + 1]] = np.random.default_rng(0).normal(size=(2, 3))

    def energy(step):
        context.setPositions(positions + step * direction)
        context.computeVirtualSites()
        return context.getState(energy=True).getPotentialEnergy()._value

    slope = (8 * (energy(h) - energy(-h)) - (energy(2 * h) - energy(-2 * h))) / (12 * h)
    assert slope == pytest.approx(-np.sum(forces * direction), abs=2e-3 * rms(forces) * np.sqrt(6))


def test_external_field_acts_on_the_multipoles_only(platform_once):
    system = embedded("cluster", charged=True)
    context, force = system.context(platform_once)
    base = energy_and_forces(context)[1]
    context.setParameter(PolarMPForce.FIELD_PARAMETERS[0], 0.5)
    with_field = energy_and_forces(context)[1]
    n = len(system.atoms)
    # On the whole system the field pulls at the multipoles' charge alone: 96.485 kJ/mol/nm per e V/nm.
    pulled = (with_field - base).sum(0)
    assert pulled[0] == pytest.approx(0.5 * force.getCharges(context).sum() * 96.48533, rel=1e-3)
    assert np.abs((with_field - base)[n:]).max() > 0  # induced dipoles act on the charges


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [0.1]), "1 embedding charges for 2 particles"),
        (([1, 1], [0.1, 0.1]), "contains 1 twice"),
        (([-1], [0.1]), "contains -1"),
        (([1], [np.nan]), "charge of particle 1 is nan"),
        (([1], 0.1), r"shape \[\]"),
    ],
)
def test_errors_of_settings(arguments, message):
    force = PolarMPForce(FixedMultipoles([1.0]))
    with pytest.raises((RuntimeError, ValueError, openmm.OpenMMException), match=message):
        force.setEmbeddingCharges(*arguments)
    with pytest.raises(ValueError, match="'slater'"):
        force.setEmbeddingKernel("slater")
    with pytest.raises(ValueError, match="embedding scale is inf; a finite number is accepted"):
        force.setEmbeddingScale(np.inf)


def test_errors_of_contexts(platform_once):
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    force.setEmbeddingCharges([1], [0.3])
    with pytest.raises(openmm.OpenMMException, match=r"particle 1 has an embedding charge, but .*setParticles"):
        platform_once.context(make_system(2, None, force))
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    force.setParticles([0, 1])
    force.setEmbeddingCharges([1], [0.3])
    with pytest.raises(openmm.OpenMMException, match="particle 1 has an embedding charge, but is among"):
        platform_once.context(make_system(3, None, force))
    force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
    force.setParticles([0, 1])
    force.setEmbeddingCharges([7], [0.3])
    with pytest.raises(openmm.OpenMMException, match="particle 7 has an embedding charge, but the System has 3"):
        platform_once.context(make_system(3, None, force))


def test_position_of_a_charge_that_is_not_finite(platform_once):
    system = embedded("cubic")
    context, _ = system.context(platform_once)
    positions = system.positions
    positions[len(system.atoms) + 3, 1] = np.nan
    context.setPositions(positions)
    ours, openmms = f"position of particle {len(system.atoms) + 3} is nan", "Particle coordinate is NaN"
    with pytest.raises(openmm.OpenMMException, match=f"{ours}|{openmms}"):
        context.getState(energy=True, forces=True)


def test_barostat(platform_once):
    """Some steps at constant pressure: after each the box's volume may differ, and the energy is that of a fresh Context."""
    system = embedded("cubic", n=12, charges=24)
    force = system.force()
    full = make_system(len(system.positions), system.atoms.cell, force)
    for i in range(len(system.positions)):
        full.setParticleMass(i, 1e6)
    full.addForce(openmm.MonteCarloBarostat(1000, 300, 1))
    context = platform_once.context(full, openmm.LangevinMiddleIntegrator(300, 1, 0.001))
    context.setPositions(system.positions)
    context.getIntegrator().step(10)
    state = context.getState(energy=True, positions=True)
    box = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.angstrom)
    assert not np.allclose(box, system.atoms.cell, rtol=1e-6)
    r = state.getPositions(asNumpy=True).value_in_unit(unit.angstrom)
    n = len(system.atoms)
    now = replace(system, atoms=replace(system.atoms, positions=r[:n], cell=np.array(box)), places=r[n:])
    assert state.getPotentialEnergy()._value == pytest.approx(dense(now)[0], rel=5e-4)
    checkpoint = context.createCheckpoint()
    context.getIntegrator().step(2)
    context.loadCheckpoint(checkpoint)
    again = context.getState(energy=True).getPotentialEnergy()._value
    assert again == pytest.approx(state.getPotentialEnergy()._value, rel=max(1e-9, platform_once.rounding))
