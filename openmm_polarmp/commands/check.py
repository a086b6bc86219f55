"""The command ``polarmp check``."""

from __future__ import annotations

import argparse

from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    command(
        commands, "check", "Print which platforms of OpenMM the plugin supports on this machine.", "polarmp check", run
    )


def run(options: argparse.Namespace) -> int:
    """Print every platform and whether it works."""
    import openmm

    from openmm_polarmp._platforms.loading import platform_status
    from openmm_polarmp._platforms.trial import try_platform
    from openmm_polarmp._version import __version__

    print(f"openmm-polarmp {__version__}, OpenMM {openmm.version.short_version}")
    works = {}
    for status in platform_status():
        reason, runs_on = status.reason, ""
        if status.loaded:  # the library loads without a device too: only a Context shows whether it works
            reason, runs_on = try_platform(status.name)
        remark = f" on {runs_on}" if runs_on != status.name else ""
        if "Portable Computing" in runs_on:
            remark += ", the processor: for tests"
        works[status.name] = not reason
        print(f"  {status.name:10s} {'works' + remark if not reason else 'not here: ' + reason}", flush=True)
    return 0 if works["Reference"] and works["CPU"] else 1
