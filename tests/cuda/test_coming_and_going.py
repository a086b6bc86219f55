"""Contexts on a GPU that come and go: nothing crashes, nothing stays."""

import os

import pytest
from support.processes import run_python

CODE = """
import gc
import sys
import torch
from support.platforms import PlatformChoice
from support.simulations import water_system
from support.sources import DeviceSource, force_with_source
from support.systems import TRICLINIC, make_system, random_atoms
from openmm_polarmp import PolarMPForce

CUDA = PlatformChoice("CUDA", "mixed")
kind, count = sys.argv[1], int(sys.argv[2])


def of_a_network():
    _, system, positions = water_system()
    return system, positions


def of_a_users_source():
    atoms = random_atoms(40, TRICLINIC)
    return make_system(40, atoms.cell, force_with_source(DeviceSource(atoms.charges))), 0.1 * atoms.positions


def of_fixed_multipoles():
    atoms = random_atoms(40, TRICLINIC)
    force = PolarMPForce(atoms.moments())
    force.setNonbondedMethod(PolarMPForce.PME)
    return make_system(40, atoms.cell, force), 0.1 * atoms.positions


system, positions = {"network": of_a_network, "user": of_a_users_source, "fixed": of_fixed_multipoles}[kind]()


def run_one():
    context = CUDA.context(system)
    context.setPositions(positions)
    context.getIntegrator().step(3)  # and deleted while the device is still at work
    return context


def taken():
    gc.collect()
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20


for _ in range(2):
    run_one()
levels = [taken()]
for _ in range(4):
    for _ in range(count // 4):
        run_one()
    levels.append(taken())
print("least growth in MB", min(b - a for a, b in zip(levels, levels[1:])))
last = run_one()  # left to the interpreter's end
"""


@pytest.mark.parametrize("kind", ["network", "user", "fixed"])
def test_memory_and_exit_code(cuda, kind):
    """More of them with POLARMP_TEST_CONTEXTS=50; each takes about a third of a second.

    The memory is the whole GPU's, on which other tests may run: it is looked at in four rounds, in all of which it would
    grow if something stayed. A Context takes hundreds of MB, its arrays alone some MB.
    """
    count = os.environ.get("POLARMP_TEST_CONTEXTS", "12")
    done = run_python(CODE, kind, count)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "terminate" not in done.stderr, done.stderr
    assert float(done.stdout.split()[-1]) < 4, done.stdout
