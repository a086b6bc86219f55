"""A COMPILE test: NVRTC compiles our kernels for CUDA, on a machine without a GPU. It says nothing about results.

It needs OpenMM's CUDA wheel with its NVRTC (``pip install openmm-polarmp[cuda13]``) and a C compiler, and takes the place
of the CUDA driver with tests/support/cuda_stub.c.
"""

import subprocess
import sys

import pytest
from support.cuda_stub import stub_environment

CODE = """
import sys
import openmm
import openmm_polarmp
from openmm_polarmp import FixedMultipoles, PolarMPForce

precision, periodic, full = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
eye = [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]
extra = ([[0.1] * 3] * 2, [eye] * 2, [0.1] * 2, [0.1] * 2) if full else ()
force = PolarMPForce(FixedMultipoles([1.0, -1.0], *extra))
force.setNonbondedMethod(periodic)
system = openmm.System()
system.addForce(force)
for _ in range(2):
    system.addParticle(1.0)
platform = openmm.Platform.getPlatformByName("CUDA")
context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Precision": precision})
context.setPositions([(0, 0, 0), (0.3, 0, 0)])
context.setParameter("polarmp_field_x", 1.0)
context.getState(energy=True, forces=True)
force.getElectrostaticPotential([[0.0, 0.0, 0.0]], context)
print("compiled")
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return stub_environment(tmp_path_factory.mktemp("stub"))


@pytest.mark.parametrize("precision", ["single", "mixed", "double"])
@pytest.mark.parametrize(("periodic", "full"), [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_kernels_compile(environment, precision, periodic, full):
    arguments = [sys.executable, "-c", CODE, precision, str(periodic), str(full)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=300)
    assert "compiled" in done.stdout, done.stdout + done.stderr


EMBEDDED = """
import sys
import openmm
from support.embedding import random_charges
from support.platforms import PlatformChoice
from support.systems import CUBIC, MOMENTS, random_atoms

atoms = random_atoms(3, CUBIC if int(sys.argv[2]) else None)
for kept in (atoms, atoms.without(*MOMENTS)):
    for kernel in ("smeared", "point"):
        context, force = random_charges(kept, 4, kernel=kernel).context(PlatformChoice("CUDA", sys.argv[1]))
        context.getState(energy=True, forces=True)
        print("compiled")
"""


@pytest.mark.parametrize("precision", ["single", "mixed", "double"])
@pytest.mark.parametrize("periodic", [1, 0])
def test_kernels_for_point_charges_compile(environment, precision, periodic):
    arguments = [sys.executable, "-c", EMBEDDED, precision, str(periodic)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=300)
    assert done.stdout.count("compiled") == 4, done.stdout + done.stderr


NETWORK = """
import sys
import openmm
from support.networks import native_source, random_model
from support.sources import force_with_source

platform = openmm.Platform.getPlatformByName("CUDA")
for config in eval(sys.argv[2]):
    species = list(config.get("species", (1, 8)))
    system = openmm.System()
    for _ in species:
        system.addParticle(1.0)
    system.setDefaultPeriodicBoxVectors((3, 0, 0), (0, 3, 0), (0, 0, 3))
    total = sum(config.get("formal_charges", {}).get(z, 0.0) for z in species)
    source = native_source(random_model(**config), species, total_charge=total)
    force = force_with_source(source, tolerance=1e-6)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Precision": sys.argv[1]})
    context.setPositions([(0.3 * i, 0, 0) for i in range(len(species))])
    context.getState(energy=True, forces=True)
    del context
    print("compiled", config)
"""


@pytest.mark.parametrize("precision", ["single", "mixed", "double"])
def test_networks_compile(environment, precision):
    from network.test_equals_torch import CONFIGURATIONS

    arguments = [sys.executable, "-c", NETWORK, precision, repr(CONFIGURATIONS)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=1200)
    assert done.stdout.count("compiled") == len(CONFIGURATIONS), done.stdout + done.stderr


FLOWS = """
import sys
from support.flows import exchange
from support.platforms import PlatformChoice

case = exchange("cubic" if int(sys.argv[2]) else "cluster", n=3)
places = case.positions[:2] + 2.0
for options in ({}, {"setup": lambda f: f.setEmbeddingCharges([3, 4], [0.5, -0.5]), "extra": places}):
    force, context = case.context(PlatformChoice("CUDA", sys.argv[1]), field=(0.1, 0.0, 0.0), **options)
    context.getState(energy=True, forces=True)
    print("compiled")
"""


@pytest.mark.parametrize("precision", ["single", "mixed", "double"])
@pytest.mark.parametrize("periodic", [1, 0])
def test_kernels_for_flows_compile(environment, precision, periodic):
    arguments = [sys.executable, "-c", FLOWS, precision, str(periodic)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=300)
    assert done.stdout.count("compiled") == 2, done.stdout + done.stderr


RESPONSE = """
import sys
import openmm
from support.systems import CUBIC, make_force, make_system, random_atoms
from openmm_polarmp import PolarMPForce

platform = openmm.Platform.getPlatformByName("CUDA")
nothing, groups = lambda force: None, lambda force: force.setTotalChargeConstraint([0.5, 0.0], [[0], [2]])
for shape, boundary, constrain in (
    (CUBIC, "conducting", nothing),
    (CUBIC, "slab_z", groups),
    (CUBIC, "vacuum", lambda force: force.setFermiLevel(-100)),
    (None, "conducting", nothing),
    (None, "conducting", groups),
):
    atoms = random_atoms(3, shape)
    force = make_force(atoms, 1e-4)
    force.setPolarizationType(PolarMPForce.Mutual)
    force.setBoundary(boundary)
    constrain(force)
    system = make_system(3, atoms.cell, force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform, {"Precision": sys.argv[1]})
    context.setPositions(0.1 * atoms.positions)
    context.getState(energy=True, forces=True)
    print("compiled")
"""


@pytest.mark.parametrize("precision", ["single", "mixed", "double"])
def test_kernels_for_mutual_response_constraints_and_surfaces_compile(environment, precision):
    done = subprocess.run(
        [sys.executable, "-c", RESPONSE, precision], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.stdout.count("compiled") == 5, done.stdout + done.stderr
