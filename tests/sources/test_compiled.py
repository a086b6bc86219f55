"""torch.compile changes the time and nothing else; where it fails, that is said and the network runs eagerly."""

import locale

import numpy as np
import pytest
import torch
from openmmml import MLPotential
from support.models import tiny_model
from support.platforms import CPU
from support.systems import energy_and_forces, force_in, relative_error
from support.water import water


def evaluate(compile, positions_list, molecules=8):
    topology, positions = water(molecules)
    potential = MLPotential("polarmp", modelPath=tiny_model(channels=4, message_channels=2))
    system = potential.createSystem(topology, precision="double", compile=compile)
    context = CPU.context(system)
    found = []
    for shift in positions_list:
        context.setPositions(positions + shift)
        found.append(energy_and_forces(context))
    force = force_in(context.getSystem())
    return found, force.getModel().options.compile  # the force lives as long as the System


@pytest.fixture
def utf8():
    """Some library in this process may have gone back to the C locale, in which torch cannot read its own templates."""
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    yield
    locale.setlocale(locale.LC_CTYPE, before)


@pytest.mark.usefixtures("utf8")
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:The .grad attribute:UserWarning"
)
@pytest.mark.parametrize("chunks", [False, True])
def test_the_same_energies_and_forces(monkeypatch, chunks):
    """With different numbers of pairs, for which nothing is compiled anew; and of a box that runs in chunks of atoms."""
    if chunks:
        monkeypatch.setattr("openmm_polarmp.models.chunks.CHUNKS_FROM", 20)
        monkeypatch.setattr("openmm_polarmp.models.chunks.CHUNK", 9)
    moved = 0.02 * np.random.default_rng(0).normal(size=(24, 3))
    eager, _ = evaluate(False, [0.0, moved, 2 * moved])
    compiled, asked = evaluate(True, [0.0, moved, 2 * moved])
    assert asked
    for (energy, forces), (expected, expected_forces) in zip(compiled, eager, strict=True):
        assert energy == pytest.approx(expected, rel=1e-9)
        assert relative_error(forces, expected_forces) < 1e-8


@pytest.mark.parametrize("when", ["at once", "in the first step"])
def test_a_failure_is_announced(monkeypatch, when):
    def fail(*arguments):
        raise RuntimeError("no compiler here")

    def broken(function, **options):
        return fail() if when == "at once" else fail

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.warns(
        RuntimeWarning, match=r"torch.compile failed \(RuntimeError: no compiler here\); the network runs eagerly"
    ):
        compiled, _ = evaluate(True, [0.0])
    monkeypatch.undo()
    eager, _ = evaluate(False, [0.0])
    assert compiled[0][0] == pytest.approx(eager[0][0], rel=1e-12)
    assert relative_error(compiled[0][1], eager[0][1]) < 1e-10
