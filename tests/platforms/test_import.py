"""What `import openmm_polarmp` does, and does not do."""

import os
import subprocess
import sys
import textwrap

import pytest

import openmm_polarmp


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    # The interpreter must find the same openmm_polarmp as this one.
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
        timeout=300,
    )


def test_quiet_without_gpu_platforms(tmp_path):
    """No OpenCL device and no CUDA: nothing is printed, and Reference and CPU work."""
    result = run(
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
    result = run("import sys, openmm_polarmp; print('torch' in sys.modules)")
    assert result.stdout.strip() == "False", result.stderr


def test_registered_platforms_load():
    """A platform that OpenMM has registered and this build serves must load."""
    for status in openmm_polarmp._platforms.loading.platform_status():
        assert status.loaded or "no" in status.reason, status
        assert status.loaded != bool(status.reason)
    served = {s.name for s in openmm_polarmp._platforms.loading.platform_status() if s.loaded}
    assert {"Reference", "CPU"} <= served


def test_no_plugin_load_failures():
    import openmm

    failures = [f for f in openmm.Platform.getPluginLoadFailures() if "PolarMP" in f]
    assert failures == []


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = openmm_polarmp.no_such_thing
