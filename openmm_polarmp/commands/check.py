"""``polarmp check``"""

from __future__ import annotations

import argparse

from ._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    command(commands, "check", "Say which platforms of OpenMM the plugin serves here.", "polarmp check", run)


def run(options: argparse.Namespace) -> int:
    import openmm

    from openmm_polarmp import FixedMultipoles, PolarMPForce
    from openmm_polarmp._plugin import platform_status
    from openmm_polarmp._quiet import quiet
    from openmm_polarmp._version import __version__

    print(f"openmm-polarmp {__version__}, OpenMM {openmm.version.short_version}")
    works = {}
    for status in platform_status():
        reason, remark = status.reason, ""
        if status.loaded:
            system = openmm.System()
            force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
            force.setNonbondedMethod(PolarMPForce.PME)
            system.addForce(force)
            for _ in range(2):
                system.addParticle(1.0)
            # Loaded is not usable: a library without a device loads as well.
            try:
                platform = openmm.Platform.getPlatformByName(status.name)
                with quiet():
                    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
                    context.setPositions([(0, 0, 0), (0.3, 0, 0)])
                    context.getState(energy=True)
                if status.name == "OpenCL":
                    on = platform.getPropertyValue(context, "OpenCLPlatformName")
                    remark = f" on {on}" + (", the processor: for tests" if "Portable Computing" in on else "")
            except openmm.OpenMMException as error:
                reason = str(error)
        works[status.name] = not reason
        print(f"  {status.name:10s} {'works' + remark if not reason else 'not here: ' + reason}")
    return 0 if works["Reference"] and works["CPU"] else 1
