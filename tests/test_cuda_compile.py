"""A COMPILE test: NVRTC compiles our kernels for CUDA, on a machine without a GPU. It says nothing about results.

It needs OpenMM's CUDA wheel with its NVRTC (``pip install openmm-polarmp[cuda13]``) and a C compiler, and takes the place
of the CUDA driver with tests/cuda_stub.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import openmm
import pytest

PLUGINS = Path(openmm.version.openmm_library_path) / "plugins"
STUB = Path(__file__).parent / "cuda_stub" / "stub.c"

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
    if not (PLUGINS / "libOpenMMCUDA.so").exists():
        pytest.skip("OpenMM's CUDA wheel is not installed here: pip install openmm-polarmp[cuda13]")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler for the stub of the driver")
    folder = tmp_path_factory.mktemp("stub")
    for name in ("libcuda.so.1", "libcufft.so.11", "libcufft.so.12"):
        command = ["cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", "-o", str(folder / name), str(STUB)]
        subprocess.run(command, check=True)
    paths = [str(folder), *(str(p) for p in PLUGINS.parents[2].glob("nvidia/*/lib"))]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(paths),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }


@pytest.mark.parametrize("precision", ["single", "mixed", "double"])
@pytest.mark.parametrize(("periodic", "full"), [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_kernels_compile(environment, precision, periodic, full):
    arguments = [sys.executable, "-c", CODE, precision, str(periodic), str(full)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=300)
    assert "compiled" in done.stdout, done.stdout + done.stderr
