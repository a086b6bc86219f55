"""Numbers that cannot be used are found on the device, named, and do no harm to what comes after them."""

import time
from dataclasses import replace

import numpy as np
import openmm
import openmm_polarmp._polarmp as extension
import pytest
import torch
from support.sources import DeviceSource, force_with_source
from support.systems import TRICLINIC, energy_and_forces, make_force, make_system, random_atoms, relative_error

NAMES = ("energy", "charges", "dipoles", "quadrupoles", "softness", "polarizability")
REFUSED = (openmm.OpenMMException, RuntimeError)  # by OpenMM's methods, by our getters
ATOMS = random_atoms(40, TRICLINIC)


class Spoiled(DeviceSource):
    """Gives ``value`` in the place of the last component of a moment, or of the forces, of some particles."""

    name, value, particles = "", float("nan"), (12, 7, 31)

    def _spoil(self, tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        tensor.reshape(len(tensor), -1)[list(self.particles), -1] = self.value
        return tensor

    def moments(self, positions, cell):
        values = list(super().moments(positions, cell))
        if self.name == "energy":
            values[0] = values[0] + self.value
        elif self.name in NAMES:
            values[NAMES.index(self.name)] = self._spoil(values[NAMES.index(self.name)])
        return tuple(values)

    def bind(self, buffers):
        evaluation = super().bind(buffers)
        backward = evaluation.backward

        def spoiled(field):
            backward(field)
            if self.name == "forces":
                buffers.forces.copy_(self._spoil(buffers.forces))

        evaluation.backward = spoiled
        return evaluation


def spoiled_context(platform):
    """A source, its force and a Context that leaves all checks to the device."""
    source = Spoiled(ATOMS.charges)
    force = force_with_source(source)
    extension.set_test_switches(host_checks=False)
    try:
        context = platform.context(make_system(40, ATOMS.cell, force))
    finally:
        extension.set_test_switches()
    context.setPositions(0.1 * ATOMS.positions)
    return source, force, context


@pytest.fixture
def spoiled(device):
    return spoiled_context(device)


@pytest.mark.parametrize("precision", ["single", "mixed", "double"])
def test_the_first_offender_is_named(device, precision):
    source, force, context = spoiled_context(replace(device, precision=precision))
    expected = energy_and_forces(context)[1]
    for name, value, message in (
        ("energy", np.nan, "the energy from the source of moments is not a finite number"),
        ("charges", np.nan, "the charge of particle 7 is nan; it must be a finite number"),
        ("dipoles", np.inf, "the dipole of particle 7 is inf; it must be a finite number"),
        ("quadrupoles", -np.inf, "the quadrupole of particle 7 is -inf; it must be a finite number"),
        ("softness", -0.25, "the softness of particle 7 is -0.25; it must not be negative"),
        ("polarizability", np.nan, "the polarizability of particle 7 is nan; it must be a finite number"),
        ("forces", np.nan, "the force from the source of moments of particle 7 is nan; it must be a finite number"),
    ):
        source.name, source.value = name, value
        asks = [lambda: context.getState(forces=True), lambda: force.getCharges(context)]
        asks += [lambda: context.getState(energy=True)] if name != "forces" else []
        for ask in asks:
            context.setPositions(0.1 * ATOMS.positions + 1e-3)
            with pytest.raises(REFUSED, match=message):
                ask()
        source.name = ""
        context.setPositions(0.1 * ATOMS.positions)
        assert relative_error(energy_and_forces(context)[1], expected) < 1e-5


def run(context):
    """A run only glances at what the device has noted: the error may come a few steps late."""
    for _ in range(50):
        context.getIntegrator().step(1)
        time.sleep(0.005)


def test_a_run_stops_and_uses_nothing(spoiled):
    source, _, context = spoiled
    context.getIntegrator().step(1)
    before = context.getState(velocities=True).getVelocities(asNumpy=True)._value
    source.name = "charges"
    with pytest.raises(REFUSED, match="the charge of particle 7 is nan"):
        run(context)
    after = context.getState(velocities=True).getVelocities(asNumpy=True)._value
    assert np.array_equal(before, after)
    source.name = ""
    context.getIntegrator().step(1)
    assert np.isfinite(energy_and_forces(context)[0])


@pytest.mark.parametrize("who", ["the next step", "a State", "a getter"])
def test_forces_in_a_run_are_reported_later(spoiled, who):
    source, force, context = spoiled
    context.getIntegrator().step(1)
    source.name = "forces"
    context.getIntegrator().step(1)
    source.name = ""
    ask = {
        "the next step": lambda: run(context),
        "a State": lambda: context.getState(energy=True),
        "a getter": lambda: force.getCharges(context),
    }[who]
    with pytest.raises(REFUSED, match="the force from the source of moments of particle 7 is nan"):
        ask()
    # They were left out, and did not throw anything away.
    moved = context.getState(positions=True).getPositions(asNumpy=True)._value - 0.1 * ATOMS.positions
    assert np.abs(moved).max() < 0.01
    ask()
    assert np.isfinite(energy_and_forces(context)[0])


def test_positions_of_fixed_multipoles(device):
    """They are not downloaded; particles are named by their index in the System."""
    chosen = np.arange(39, 19, -1)
    force = make_force(ATOMS.reordered(chosen))
    force.setParticles(chosen.tolist())
    context = device.context(make_system(40, ATOMS.cell, force))
    context.setPositions(0.1 * ATOMS.positions)
    expected = energy_and_forces(context)[1]
    for ask in (lambda: run(context), lambda: energy_and_forces(context)):
        broken = 0.1 * ATOMS.positions
        broken[3, 0] = np.nan  # not one of the force's particles
        broken[[25, 38], 2] = np.nan
        context.setPositions(broken)
        # The first one in the force's order.
        with pytest.raises(REFUSED, match=r"the position of particle 38 is -?nan"):
            ask()
    context.setPositions(0.1 * ATOMS.positions)
    assert relative_error(energy_and_forces(context)[1], expected) < 1e-5


def test_a_new_source_is_not_blamed_for_the_old_one(spoiled):
    source, force, context = spoiled
    context.getIntegrator().step(1)
    source.name = "forces"
    context.getIntegrator().step(1)
    force.setModel(ATOMS.moments())
    force.updateParametersInContext(context)
    assert np.isfinite(energy_and_forces(context)[0])
