"""Networks and users' own sources on the GPU: what torch and OpenMM must not do to each other.

On OpenCL the same goes through host memory, so that the tests themselves are tried where there is no GPU.
"""

import threading

import numpy as np
import openmm
import pytest
import torch
from support.models import tiny_model
from support.platforms import REFERENCE
from support.simulations import positions_of, water_system
from support.sources import DeviceSource, force_with_source
from support.systems import TRICLINIC, energy_and_forces, make_system, random_atoms, relative_error

from openmm_polarmp import FixedMultipoles, PolarMPForce

ATOMS = random_atoms(40, TRICLINIC)
TOLERANCE = 2e-4  # of forces in mixed precision, with the mesh at its default accuracy of 5e-4 (which is met with room)


def context_with(platform, source, atoms=ATOMS) -> openmm.Context:
    system = make_system(len(atoms), atoms.cell, force_with_source(source))
    return platform.context(system, openmm.VerletIntegrator(0.0002), 0.1 * atoms.positions)


def water_context(platform, system, positions) -> openmm.Context:
    return platform.context(system, openmm.VerletIntegrator(0.0002), positions)


def test_a_users_source_that_knows_nothing_of_contexts(device):
    expected = energy_and_forces(context_with(REFERENCE, DeviceSource(ATOMS.charges)))
    context = context_with(device, DeviceSource(ATOMS.charges))
    for _ in range(2):
        energy, forces = energy_and_forces(context)
        assert energy == pytest.approx(expected[0], rel=1e-4)
        assert relative_error(forces, expected[1]) < TOLERANCE
        context.getIntegrator().step(2)
        context.setPositions(0.1 * ATOMS.positions)


@pytest.mark.filterwarnings("ignore:external field")  # a small box: slow, and right
def test_a_network_and_its_context(device):
    """Forces, also in a field (in which charges move), after a change of the source and back."""
    _, system, positions = water_system()
    force = PolarMPForce.cast(system.getForce(0))
    # No pair is exactly half a box apart: which of two images is the nearer one would be a matter of rounding.
    positions = positions + 0.003 * np.random.default_rng(0).normal(size=positions.shape)
    contexts = [water_context(p, system, positions) for p in (REFERENCE, device)]
    seen = []
    numbers = [8, 1, 1] * 8
    rng = np.random.default_rng(0)
    fixed = FixedMultipoles(0.1 * rng.normal(size=24))
    for model in (tiny_model(seed=1), fixed, tiny_model(seed=2)):
        options = {} if model is fixed else {"atomic_numbers": numbers, "precision": "double"}
        force.setModel(model, **options)
        for context in contexts:
            force.updateParametersInContext(context)
        for field in (0.0, 5.0):
            results = []
            for context in contexts:
                context.setParameter("polarmp_field_y", field)
                results.append(energy_and_forces(context))
            assert results[1][0] == pytest.approx(results[0][0], rel=1e-4)
            assert relative_error(results[1][1], results[0][1]) < TOLERANCE
            seen.append(results[0][1])
    assert all(relative_error(a, b) > 0.01 for i, a in enumerate(seen) for b in seen[:i])


def test_checkpoint(device):
    _, system, positions = water_system()
    context = water_context(device, system, positions)
    context.setVelocitiesToTemperature(300, 1)
    context.getIntegrator().step(5)
    checkpoint = context.createCheckpoint()
    context.getIntegrator().step(10)
    expected = positions_of(context)
    context.setPositions(positions)
    context.getIntegrator().step(3)
    context.loadCheckpoint(checkpoint)
    context.getIntegrator().step(10)
    assert np.abs(positions_of(context) - expected).max() < 1e-6
    # A deleted Context's checkpoint in a new one
    del context
    context = water_context(device, system, positions)
    context.loadCheckpoint(checkpoint)
    context.getIntegrator().step(10)
    assert np.abs(positions_of(context) - expected).max() < 1e-6


@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
def test_two_contexts_in_two_threads(device, periodic):
    """Of one network; each thread finds the forces that the Context has alone."""
    _, system, positions = water_system(periodic=periodic)
    places = [positions, positions + 0.005 * np.random.default_rng(0).normal(size=positions.shape)]
    contexts = [water_context(device, system, p) for p in places]
    expected = [energy_and_forces(c)[1] for c in contexts]
    found: dict[int, list] = {0: [], 1: []}

    def work(i):
        for _ in range(10):
            contexts[i].getIntegrator().step(1)
            contexts[i].setPositions(places[i])
            found[i].append(energy_and_forces(contexts[i])[1])

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in (0, 1):
        assert len(found[i]) == 10
        assert max(relative_error(f, expected[i]) for f in found[i]) < 1e-4


class Unwilling(DeviceSource):
    """Raises in the middle of its passes, when its work is queued already."""

    fails = ""

    def bind(self, buffers):
        evaluation = super().bind(buffers)

        def then_fail(name):
            function = getattr(evaluation, name)

            def work(argument):
                function(argument)
                if name == self.fails:
                    raise KeyError(f"not this time: {name}")

            return work

        evaluation.forward, evaluation.backward = then_fail("forward"), then_fail("backward")
        return evaluation


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_source_that_raises(device, where):
    source = Unwilling(ATOMS.charges)
    context = context_with(device, source)
    expected = energy_and_forces(context)[1]
    for ask in (lambda: context.getState(forces=True), lambda: context.getIntegrator().step(1)):
        source.fails = where
        with pytest.raises(KeyError, match=f"not this time: {where}"):
            ask()
        source.fails = ""
        context.setPositions(0.1 * ATOMS.positions)
        assert relative_error(energy_and_forces(context)[1], expected) < 1e-4


def test_other_work_on_the_same_gpu(cuda):
    """A user's own stream is busy, and allocates and frees, while a network is evaluated."""
    _, system, positions = water_system()
    context = water_context(cuda, system, positions)
    expected = energy_and_forces(context)[1]
    done, products = threading.Event(), []

    def work():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            a = torch.eye(500, device="cuda") * 2
            while not done.is_set():
                b = a
                for _ in range(5):
                    b = b @ a
                products.append(float(b.trace()))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(30):
            context.getIntegrator().step(1)
            context.setPositions(positions)
            assert relative_error(energy_and_forces(context)[1], expected) < 1e-4
    finally:
        done.set()
        thread.join()
    assert products and set(products) == {500 * 2.0**6}


@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
def test_torch_does_not_stop_the_host_in_a_step(cuda, periodic):
    _, system, positions = water_system(periodic=periodic)
    context = water_context(cuda, system, positions)
    context.getIntegrator().step(3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        context.getIntegrator().step(3)  # too short a time for the list of neighbours to be made anew
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert np.isfinite(energy_and_forces(context)[0])
