"""A source of moments in Python: forces through it, exceptions, several Contexts."""

import gc
import threading
import weakref

import numpy as np
import openmm
import pytest
import torch
from support.platforms import REFERENCE, PlatformChoice
from support.sources import DensitySource, force_with_source
from support.systems import TRICLINIC, energy_and_forces, make_system, random_atoms, relative_error, rms

from openmm_polarmp import PolarMPForce, units
from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy


def context_with(platform, source, atoms):
    system = make_system(len(atoms), atoms.cell, force_with_source(source, atoms.cell is not None, 1e-4))
    return platform.context(system, positions=0.1 * atoms.positions)


@pytest.mark.parametrize("box", [TRICLINIC, None], ids=["triclinic", "cluster"])
def test_forces_through_the_source(platform, box):
    """Energy and forces equal automatic differentiation of source + dense sum in one piece."""
    atoms = random_atoms(40, box)
    source = DensitySource(atoms.charges)
    energy, forces = energy_and_forces(context_with(platform, source, atoms))

    positions = torch.tensor(atoms.positions, requires_grad=True)
    cell = None if box is None else torch.tensor(atoms.cell)
    short, *moments = source.moments(positions, cell)
    method = "direct" if box is None else "ewald"
    total = short + electrostatic_energy(positions, Multipoles(*moments), cell, method=method, accuracy=1e-14).energy
    (gradient,) = torch.autograd.grad(total, positions)
    expected = -gradient.numpy() * units.FORCE_TO_OPENMM

    exact = platform.name == "Reference"
    assert energy == pytest.approx(total.item() * units.ENERGY_TO_OPENMM, rel=1e-8 if exact else 1e-4)
    assert relative_error(forces, expected) < (1e-8 if exact else 1e-4 if box is not None else 10 * platform.rounding)
    assert source.calls == {"forward": 1, "backward": 1}


def test_getters_need_no_second_evaluation(platform_once):
    atoms = random_atoms(10, TRICLINIC)
    source = DensitySource(atoms.charges)
    context = context_with(platform_once, source, atoms)
    force = PolarMPForce.cast(context.getSystem().getForce(0))
    force.getCharges(context)
    assert source.calls["forward"] == 1  # evaluated because a getter asked
    for getter in (force.getInducedDipoles, force.getMomentGradients, force.getSystemMultipoleMoments):
        getter(context)
    assert source.calls["forward"] == 1
    context.setPositions(0.1 * atoms.positions + 0.01)
    force.getCharges(context)
    assert source.calls["forward"] == 2
    context.setPeriodicBoxVectors(*(openmm.Vec3(*(0.11 * v)) for v in atoms.cell))
    force.getCharges(context)
    assert source.calls["forward"] == 3


class MyError(RuntimeError):
    pass


def test_exception_arrives_as_itself(platform_once):
    """Type, message and traceback of the source's own exception; the Context works on."""
    atoms = random_atoms(10, TRICLINIC)
    source = DensitySource(atoms.charges, fail_at=3, error=MyError("step three is cursed"))
    context = context_with(platform_once, source, atoms)
    energy, forces = energy_and_forces(context)
    with pytest.raises(MyError, match="step three is cursed") as info:
        context.getIntegrator().step(3)
    assert any(entry.name == "forward" for entry in info.traceback)
    context.setPositions(0.1 * atoms.positions)
    energy_again, forces_again = energy_and_forces(context)
    assert energy_again == pytest.approx(energy, rel=1e-6)
    assert relative_error(forces_again, forces) < 1e-5
    # Nothing of the exception lingers in the interpreter.
    with pytest.raises(openmm.OpenMMException, match="out of range"):
        context.getSystem().getParticleMass(99)


def test_exception_arrives_as_itself_in_a_getter(platform_once):
    """The extension module's functions, unlike OpenMM's, are not SWIG's."""
    atoms = random_atoms(10, TRICLINIC)
    source = DensitySource(atoms.charges, fail_at=1, error=MyError("step one is cursed"))
    context = context_with(platform_once, source, atoms)
    force = PolarMPForce.cast(context.getSystem().getForce(0))
    with pytest.raises(MyError, match="step one is cursed") as info:
        force.getCharges(context)
    assert any(entry.name == "forward" for entry in info.traceback)
    assert force.getCharges(context).shape == (10,)


def test_an_exception_that_nobody_reports_replaces_no_other(platform_once):
    """An OpenMMException after a source's exception was handled in C++ stays an OpenMMException, even with the same text."""
    atoms = random_atoms(10, TRICLINIC)
    source = DensitySource(atoms.charges, fail_at=1, error=openmm.OpenMMException("one"))
    context = context_with(platform_once, source, atoms)
    with pytest.raises(openmm.OpenMMException) as info:
        context.getState(energy=True)
    assert info.value is source.error
    with pytest.raises(openmm.OpenMMException) as info:
        context.getSystem().getParticleMass(99)
    assert info.value is not source.error


def test_exception_while_binding(platform_once):
    class Refuses(DensitySource):
        def bind(self, buffers):
            raise MyError("not here")

    atoms = random_atoms(10, TRICLINIC)
    with pytest.raises(MyError, match="not here"):
        context_with(platform_once, Refuses(atoms.charges), atoms)


@pytest.mark.parametrize("name", ["charges", "dipoles", "quadrupoles", "softness", "polarizability", "energy"])
def test_not_a_number_from_the_source(platform_once, name):
    class Broken(DensitySource):
        def moments(self, positions, cell):
            values = list(super().moments(positions, cell))
            i = ["energy", "charges", "dipoles", "quadrupoles", "softness", "polarizability"].index(name)
            values[i] = values[i].clone()
            values[i].reshape(-1)[-1] = float("nan")
            return tuple(values)

    atoms = random_atoms(10, TRICLINIC)
    context = context_with(platform_once, Broken(atoms.charges), atoms)
    singular = {"polarizability": "polarizability"}.get(name, name.rstrip("s") if name != "softness" else name)
    with pytest.raises(openmm.OpenMMException, match=singular) as info:
        context.getState(energy=True, forces=True)
    if name != "energy":
        assert "particle 9" in str(info.value)


def test_subset_of_particles(platform_once):
    """The source sees its own particles in its own order; the others feel nothing."""
    atoms = random_atoms(20, TRICLINIC)
    chosen = [17, 3, 4, 11, 0]
    force = force_with_source(DensitySource(atoms.charges[chosen]), tolerance=1e-4)
    force.setParticles(chosen)
    context = platform_once.context(make_system(20, atoms.cell, force))
    context.setPositions(0.1 * atoms.positions)
    energy, forces = energy_and_forces(context)

    alone = atoms.reordered(np.array(chosen))
    expected_energy, expected_forces = energy_and_forces(context_with(REFERENCE, DensitySource(alone.charges), alone))
    assert energy == pytest.approx(expected_energy, rel=1e-3)
    assert relative_error(forces[chosen], expected_forces) < 1e-3
    assert np.all(np.delete(forces, chosen, axis=0) == 0)
    assert force.getCharges(context).shape == (5,)


def test_two_contexts_and_two_threads(platform_once):
    """One source, two Contexts: what lies between forward and backward belongs to each."""
    atoms = [random_atoms(10, TRICLINIC, seed=s) for s in (0, 1)]
    source = DensitySource(atoms[0].charges)
    contexts = [context_with(platform_once, source, a) for a in atoms]
    expected = [energy_and_forces(c)[1] for c in contexts]
    results: dict[int, list] = {0: [], 1: []}

    def work(i):
        for _ in range(10):
            results[i].append(energy_and_forces(contexts[i])[1])

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in (0, 1):
        assert len(results[i]) == 10
        for forces in results[i]:
            assert rms(forces - expected[i]) < 1e-5 * rms(expected[i])


@pytest.mark.parametrize("box", [TRICLINIC, None], ids=["triclinic", "cluster"])
def test_atom_order(platform_once, box):
    """OpenMM sorts atoms and wraps molecules as it likes when other forces let it; we answer in the user's order."""
    atoms = random_atoms(150, TRICLINIC if box is None else box, seed=3)
    chosen = list(range(100, 20, -1))  # a subset, backwards
    source = DensitySource(atoms.charges[chosen])
    force = force_with_source(source, box is not None, 1e-4)
    force.setParticles(chosen)
    force.setForceGroup(5)
    others = openmm.NonbondedForce()
    others.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    others.setCutoffDistance(0.4)
    for _ in range(150):  # so small that overlaps of the random start throw nothing far away
        others.addParticle(0.0, 0.02, 0.01)
    system = make_system(150, atoms.cell, force, others)
    integrator = openmm.LangevinMiddleIntegrator(300, 50, 0.0002)
    integrator.setRandomNumberSeed(7)
    context = platform_once.context(system, integrator)
    context.setPositions(0.1 * atoms.positions)
    integrator.setIntegrationForceGroups({0})  # diffusion only: our force is looked at, not followed
    integrator.step(5 if platform_once.name == "Reference" else 600)
    state = context.getState(positions=True, forces=True, groups={5})
    positions = state.getPositions(asNumpy=True)._value
    moved = rms(positions - 0.1 * atoms.positions)
    assert (0 if platform_once.name == "Reference" else 0.01) < moved < 0.2
    expected = REFERENCE.context(system)
    expected.setPositions(positions)
    wanted = expected.getState(forces=True, groups={5}).getForces(asNumpy=True)._value
    # A wrong order would give errors of order one; the mesh's own error grows on its way through the source.
    assert relative_error(state.getForces(asNumpy=True)._value, wanted) < 1e-3
    charges = force.getCharges(context)
    np.testing.assert_allclose(charges, force.getCharges(expected), rtol=1e-4, atol=1e-5)


def test_source_is_released(platform_once):
    atoms = random_atoms(10, TRICLINIC)
    source = DensitySource(atoms.charges)
    context = context_with(platform_once, source, atoms)
    energy_and_forces(context)
    gone = weakref.ref(source)
    del source, context
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("name", ["Reference", "CPU"])
def test_the_same_positions_are_evaluated_once(name):
    """A report's state and the step after it; but not after anything has changed."""
    atoms = random_atoms(20, TRICLINIC)
    source = DensitySource(atoms.charges)
    context = context_with(PlatformChoice(name), source, atoms)
    energy, forces = energy_and_forces(context)
    again = energy_and_forces(context)
    assert again[0] == energy and (again[1] == forces).all()
    context.getIntegrator().step(1)
    assert source.calls == {"forward": 1, "backward": 1}
    moved = context.getState(positions=True, energy=True)  # OpenMM computes forces with every energy
    context.getIntegrator().step(1)
    assert source.calls == {"forward": 2, "backward": 2}
    energy_and_forces(context)
    context.setParameter("polarmp_field_x", 0.1)
    energy_and_forces(context)
    assert source.calls["forward"] == 4
    context.setPeriodicBoxVectors(*(1.01 * v for v in context.getState().getPeriodicBoxVectors()))
    energy_and_forces(context)
    assert source.calls["forward"] == 5
    context.setParameter("polarmp_field_x", 0.0)
    context.setPeriodicBoxVectors(*(0.1 * atoms.cell))
    context.setPositions(moved.getPositions())
    fresh = context_with(PlatformChoice(name), DensitySource(atoms.charges), atoms)
    fresh.setPositions(moved.getPositions())
    assert rms(energy_and_forces(context)[1] - energy_and_forces(fresh)[1]) < 1e-5 * rms(forces)
