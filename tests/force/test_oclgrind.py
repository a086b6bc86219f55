"""No access out of bounds in our kernels: they run under Oclgrind (Debian: oclgrind), which checks every one."""

import shutil
import subprocess
import sys

import pytest
from support.processes import environment

CODE = """
import sys
from support.platforms import PlatformChoice
from support.systems import TRICLINIC, energy_and_forces, evaluate, make_force, random_atoms

atoms = random_atoms(5, TRICLINIC if int(sys.argv[1]) else None)
force = make_force(atoms, 1e-2)
if atoms.cell is not None:
    force.setPMEParameters(10, 12, 14)
expected, *_ = evaluate(atoms, PlatformChoice("Reference"))
energy, _, force, context = evaluate(atoms, PlatformChoice("OpenCL", sys.argv[2]), force=force)
assert abs(energy - expected) < 2e-2 * abs(expected), (energy, expected)
context.setParameter("polarmp_field_x", 1.0)
energy_and_forces(context)
force.getElectrostaticPotential([[0.0, 0.0, 0.0], [0.3, 0.1, 0.2]], context)
force.getCharges(context)
print(context.getPlatform().getPropertyValue(context, "OpenCLPlatformName"))
"""

EMBEDDED = """
import sys
from support.embedding import random_charges
from support.platforms import PlatformChoice
from support.systems import TRICLINIC, energy_and_forces, random_atoms

atoms = random_atoms(3, TRICLINIC if int(sys.argv[1]) else None)
for kernel in ("smeared", "point"):
    system = random_charges(atoms, 5, kernel=kernel)
    energies = []
    for platform in (PlatformChoice("OpenCL", "single"), PlatformChoice("Reference")):
        context, force = system.context(platform, 1e-2)
        energies.append(energy_and_forces(context)[0])
        force.getEmbeddingPotential(context)
    assert abs(energies[0] - energies[1]) < 2e-2 * abs(energies[1]), energies
    context, force = system.context(PlatformChoice("OpenCL", "single"), 1e-2)
    print(context.getPlatform().getPropertyValue(context, "OpenCLPlatformName"))
"""

NETWORK = """
import numpy as np
from openmm_polarmp.sources.network import TorchSource
from support.networks import context_of, native_source, random_model, random_structure, results

model, structure = random_model(layers=2, zbl=True, channels=5, n_radial=3), random_structure(3, np.eye(3) * 6.0)
context = context_of(native_source(model, structure.species), structure, "OpenCL", Precision="single")
found = results(context)["forces"]
expected = results(context_of(TorchSource(model, structure.species, precision="double"), structure))["forces"]
assert np.abs(found - expected).max() < 1e-2 * np.abs(expected).max(), (found, expected)
print(context.getPlatform().getPropertyValue(context, "OpenCLPlatformName"))
"""


@pytest.mark.skipif(shutil.which("oclgrind") is None, reason="oclgrind is not installed")
@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("periodic", [1, 0], ids=["box", "cluster"])
def test_no_access_out_of_bounds(periodic, precision):
    check([CODE, str(periodic), precision])


@pytest.mark.skipif(shutil.which("oclgrind") is None, reason="oclgrind is not installed")
@pytest.mark.parametrize("periodic", [1, 0], ids=["box", "cluster"])
def test_no_access_out_of_bounds_with_point_charges(periodic):
    check([EMBEDDED, str(periodic)])


@pytest.mark.skipif(shutil.which("oclgrind") is None, reason="oclgrind is not installed")
def test_no_access_out_of_bounds_in_a_network():
    check([NETWORK])


def check(code_and_arguments):
    # Oclgrind adds up a kernel's local memory over its launches.
    command = ["oclgrind", "--local-mem-size", "1048576", sys.executable, "-c", *code_and_arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=600)
    assert "Oclgrind" in done.stdout, done.stdout + done.stderr
    complaints = [line for line in done.stderr.splitlines() if "nvalid" in line or "ninitialized" in line]
    assert not complaints, done.stderr
