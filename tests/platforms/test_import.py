"""What `import openmm_polarmp` does, and does not do."""

import re
from pathlib import Path

import openmm
import pytest
from support.processes import run_python

import openmm_polarmp
from openmm_polarmp import _polarmp
from openmm_polarmp._platforms import loading

LIBRARIES = Path(_polarmp.__file__).parent / "lib" / "plugins"


def test_quiet_without_gpu_platforms(tmp_path):
    """No OpenCL device and no CUDA: nothing is printed, and Reference and CPU work."""
    result = run_python(
        """
        import openmm
        import openmm_polarmp
        from openmm_polarmp import FixedMultipoles, PolarMPForce

        for name in ("Reference", "CPU"):
            system = openmm.System()
            force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
            force.setNonbondedMethod(PolarMPForce.PME)
            system.addForce(force)
            system.addParticle(1.0)
            system.addParticle(1.0)
            context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(name))
            context.setPositions([(0, 0, 0), (0.3, 0, 0)])
            assert context.getState(energy=True).getPotentialEnergy()._value < 0
        """,
        OCL_ICD_VENDORS=str(tmp_path),
        CUDA_VISIBLE_DEVICES="",
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_no_torch_until_it_is_needed():
    result = run_python("import sys, openmm_polarmp; print('torch' in sys.modules)")
    assert result.stdout.strip() == "False", result.stderr


def test_every_registered_platform_is_served():
    """Each platform of OpenMM for which this build has a library; the status of the others says what is missing."""
    registered = {openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())}
    built = {re.fullmatch(r"libOpenMMPolarMP(\w+)\.so", path.name)[1] for path in LIBRARIES.glob("*.so")}
    assert {"Reference", "CPU"} <= registered & built
    for status in loading.platform_status():
        assert status.loaded == (status.name in registered & built), status
        missing = f"OpenMM has no {status.name} platform here"
        if status.name in registered:
            missing = "" if status.loaded else f"this build of openmm-polarmp has no libOpenMMPolarMP{status.name}.so"
        assert status.reason == missing


def test_a_library_that_cannot_be_loaded_is_reported(tmp_path):
    broken = tmp_path / "libOpenMMPolarMPCPU.so"
    broken.write_text("not a library")
    status = loading._load_platform("CPU", broken, registered=True)
    assert not status.loaded and "libOpenMMPolarMPCPU.so" in status.reason


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = openmm_polarmp.no_such_thing
