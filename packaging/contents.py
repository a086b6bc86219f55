"""Checks what a built wheel holds, and that its libraries will find each other and OpenMM's."""

from __future__ import annotations

import posixpath
import zipfile
from pathlib import Path
from typing import IO

from elftools.elf.elffile import ELFFile

# Where the wheel of OpenMM puts its libraries, from site-packages on.
OPENMM = "OpenMM.libs/lib"
PLATFORMS = ("Reference", "CPU", "OpenCL", "CUDA")
LIBRARIES = (
    "openmm_polarmp/lib/libOpenMMPolarMP.so",
    *(f"openmm_polarmp/lib/plugins/libOpenMMPolarMP{platform}.so" for platform in PLATFORMS),
)


def missing_files(names: list[str], source: Path) -> list[str]:
    """Files that the wheel lacks: libraries, shipped models, type marker, licence."""
    models = [f"openmm_polarmp/models/data/{path.name}" for path in (source / "openmm_polarmp/models/data").iterdir()]
    (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    expected = [*LIBRARIES, *models, "openmm_polarmp/py.typed", f"{info}/licenses/LICENSE"]
    missing = [name for name in expected if name not in names]
    if not any(name.startswith("openmm_polarmp/_polarmp.") for name in names):
        missing.append("openmm_polarmp/_polarmp.*.so")
    return missing


def dynamic_section(stream: IO[bytes]) -> tuple[list[str], list[str]]:
    """The libraries that a library needs, and the folders where it looks for them."""
    needed, folders = [], []
    for tag in ELFFile(stream).get_section_by_name(".dynamic").iter_tags():
        if tag.entry.d_tag == "DT_NEEDED":
            needed.append(tag.needed)
        elif tag.entry.d_tag in ("DT_RUNPATH", "DT_RPATH"):
            folders += (tag.runpath if tag.entry.d_tag == "DT_RUNPATH" else tag.rpath).split(":")
    return needed, folders


def unresolved(name: str, needed: list[str], folders: list[str], names: list[str]) -> list[str]:
    """Faults of one library's search path: folders outside site-packages, and libraries that are not found there."""
    origin = posixpath.dirname(name)
    places = [posixpath.normpath(folder.replace("$ORIGIN", origin)) for folder in folders]
    faults = [f"searches {place}, outside site-packages" for place in places if place.startswith(("/", ".."))]
    for library in (library for library in needed if library.startswith("libOpenMM")):
        if "PolarMP" in library:
            there = any(f"{place}/{library}" in names for place in places)
        else:
            there = (OPENMM if library == "libOpenMM.so" else f"{OPENMM}/plugins") in places
        if not there:
            faults.append(f"does not find {library}")
    return faults


def check_wheel(wheel: Path, source: Path) -> None:
    """Raise an error that names what a wheel, built from a source tree, lacks or holds too much of."""
    faults = []
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        faults += [f"lacks {name}" for name in missing_files(names, source)]
        for name in (name for name in names if ".so" in posixpath.basename(name)):
            if name not in LIBRARIES and not name.startswith("openmm_polarmp/_polarmp."):
                faults.append(f"holds {name}, a library of another project")
            with archive.open(name) as stream:
                faults += [f"{name} {fault}" for fault in unresolved(name, *dynamic_section(stream), names)]
    if faults:
        raise SystemExit(f"{wheel.name}:\n  " + "\n  ".join(faults))
