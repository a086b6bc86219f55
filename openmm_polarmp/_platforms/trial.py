"""Tries a platform in a separate process, because a broken OpenCL library ends the process that uses it."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys
import openmm
from openmm_polarmp import FixedMultipoles, PolarMPForce

name = sys.argv[1]
system = openmm.System()
force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
force.setNonbondedMethod(PolarMPForce.PME)
system.addForce(force)
for _ in range(2):
    system.addParticle(1.0)
platform = openmm.Platform.getPlatformByName(name)
try:
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions([(0, 0, 0), (0.3, 0, 0)])
    context.getState(energy=True)
except openmm.OpenMMException as error:
    from openmm_polarmp._platforms.driver import compiler_too_new, driver_cuda, loaded_nvrtc

    reason = compiler_too_new(driver_cuda(), loaded_nvrtc()) if name == "CUDA" and "PTX" in str(error) else ""
    sys.exit(f"{reason} ({error})" if reason else f"{error}")
print("\\nRUNS ON", platform.getPropertyValue(context, "OpenCLPlatformName") if name == "OpenCL" else name)
"""


def require_platform(name: str) -> None:
    """Raise a ValueError with a reason and what is accepted unless this platform of OpenMM works here."""
    import openmm

    names = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
    if name not in names:
        install = "; CUDA comes with pip install 'openmm[cuda12]'" if name == "CUDA" else ""
        raise ValueError(
            f"--platform is {name!r}, which OpenMM does not have here; {', '.join(names)} are accepted{install}"
        )
    if name not in ("Reference", "CPU") and (reason := try_platform(name)[0]):
        raise ValueError(f"--platform is {name!r}, which does not work here: {reason}")


def try_platform(name: str) -> tuple[str, str]:
    """Why a platform does not work ('' if it does), and what it runs on.

    Parameters
    ----------
    name : str
        Of OpenMM's platform.
    """
    run = subprocess.run([sys.executable, "-c", PROBE, name], capture_output=True, text=True)
    if run.returncode == 0:
        return "", run.stdout.rpartition("RUNS ON ")[2].strip()
    last = (run.stderr.strip().splitlines() or ["no message"])[-1]
    if run.returncode < 0:
        return f"trying it ended the process by signal {-run.returncode}: {last}", ""
    return last, ""
