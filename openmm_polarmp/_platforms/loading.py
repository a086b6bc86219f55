"""Loads the compiled plugin into OpenMM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import openmm

# OpenMM's C++ classes change their layout between minor versions: a binary made for 8.6 runs on 8.5 until XML is
# read, and then crashes. So other minor versions are refused.
OPENMM_MINOR = "8.6"


@dataclass(frozen=True)
class PlatformStatus:
    """Whether the plugin serves one of OpenMM's platforms.

    Attributes
    ----------
    name : str
        OpenMM's name of the platform.
    loaded : bool
        Whether the plugin's library for it is loaded.
    reason : str
        Why not; empty if it is.
    """

    name: str
    loaded: bool
    reason: str = ""


_PLATFORMS = ("Reference", "CPU", "OpenCL", "CUDA", "HIP")
_status: dict[str, PlatformStatus] = {}


def check_openmm_version(version: str) -> None:
    """Raise ImportError if the plugin was not built for this version of OpenMM."""
    if not version.startswith(OPENMM_MINOR + "."):
        raise ImportError(
            f"openmm-polarmp is built for OpenMM {OPENMM_MINOR}.*, but OpenMM {version} is installed. OpenMM's C++ "
            f"interface changes between minor versions; run: pip install 'openmm=={OPENMM_MINOR}.*'"
        )


def load() -> None:
    """Load the library of every platform that OpenMM has registered; later calls do nothing."""
    if _status:
        return
    check_openmm_version(openmm.version.short_version)
    from openmm_polarmp import _polarmp

    # Beside the extension: in an editable install that is another folder than this file's.
    folder = Path(_polarmp.__file__).parent / "lib" / "plugins"
    registered = {openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())}
    for name in _PLATFORMS:
        _status[name] = _load_platform(name, folder / f"libOpenMMPolarMP{name}.so", name in registered)
    from openmm_polarmp._platforms.hooks import register_hooks

    register_hooks(_polarmp)


def _load_platform(name: str, library: Path, registered: bool) -> PlatformStatus:
    if not registered:
        return PlatformStatus(name, False, f"OpenMM has no {name} platform here")
    if not library.exists():
        return PlatformStatus(name, False, f"this build of openmm-polarmp has no {library.name}")
    try:
        openmm.Platform.loadPluginLibrary(str(library))
    except openmm.OpenMMException as error:
        return PlatformStatus(name, False, str(error))
    return PlatformStatus(name, True)


def platform_status() -> list[PlatformStatus]:
    """Which platforms the plugin serves, and why not the others."""
    load()
    return list(_status.values())
