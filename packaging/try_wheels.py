"""Installs each wheel of dist into an empty environment that has no compiler, and runs the first example there.

python packaging/try_wheels.py [--python 3.13]

A Python is tried if this machine has an interpreter of it; the others are named at the end.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

from interpreters import find_python

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "try-wheels"
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
BUILD_TOOLS = ("cc", "gcc", "c++", "g++", "clang", "nvcc", "cmake", "ninja", "make")
STEPS = 40


def wheel_for(version: str) -> Path:
    """The wheel of dist for a version of Python: its own, or the one of the stable ABI."""
    tag = "cp" + version.replace(".", "")
    pattern = f"*-{tag}-{tag}-*.whl" if version in ("3.10", "3.11") else "*-cp312-abi3-*.whl"
    wheels = list((ROOT / "dist").glob(pattern))
    if len(wheels) != 1:
        sys.exit(f"dist has {len(wheels)} wheels {pattern}; exactly one is accepted: run `make wheels`")
    return wheels[0]


class Environment:
    """An empty virtual environment; what runs in it finds the environment's commands alone."""

    def __init__(self, version: str, python: str):
        self.folder = WORK / version
        shutil.rmtree(self.folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", str(self.folder)], check=True)
        self.bin = self.folder / "bin"
        self.variables = {**os.environ, "PATH": str(self.bin), "CUDA_VISIBLE_DEVICES": ""}
        for name in ("PYTHONPATH", "CC", "CXX"):
            self.variables.pop(name, None)
        present = [tool for tool in BUILD_TOOLS if shutil.which(tool, path=str(self.bin))]
        assert not present, f"the environment is not empty: {present}"

    def run(self, command: str, *arguments: object, **variables: str) -> str:
        """Run a command of the environment from within its folder, and return what it prints."""
        result = subprocess.run(
            [str(self.bin / command), *map(str, arguments)],
            env={**self.variables, **variables},
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        if result.returncode:
            sys.exit(f"{command} {' '.join(map(str, arguments))} failed:\n{result.stdout}{result.stderr}")
        return result.stdout + result.stderr


def check_example(environment: Environment) -> None:
    """Run the first example for a few steps and read what it wrote."""
    example = ROOT / "examples" / "01_water_box.py"
    environment.run("python", example, "--molecules", 32, "--steps", STEPS, "--output", "water")
    with open(environment.folder / "water" / "energies.csv", newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    steps, temperatures = [int(row[0]) for row in rows], [float(row[2]) for row in rows]
    assert steps == list(range(20, STEPS + 1, 20)), steps
    assert all(100 < temperature < 1000 for temperature in temperatures), temperatures
    assert (environment.folder / "water" / "end.pdb").stat().st_size > 0


def check_without_opencl(environment: Environment) -> None:
    """Where libOpenCL cannot be loaded, importing is silent and the other platforms are there."""
    hidden = environment.folder / "no-opencl"
    hidden.mkdir()
    (hidden / "libOpenCL.so.1").write_text("not a library")
    printed = environment.run("python", "-c", "import openmm_polarmp", LD_LIBRARY_PATH=str(hidden))
    assert printed == "", printed
    code = (
        "from openmm_polarmp._platforms.loading import platform_status\n"
        "print([status.name for status in platform_status() if status.loaded])"
    )
    assert environment.run("python", "-c", code, LD_LIBRARY_PATH=str(hidden)).strip() == "['Reference', 'CPU']"


def main() -> None:
    """Try the wheels on every Python that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", choices=VERSIONS, help="only this version, which must be there")
    options = parser.parse_args()
    skipped, tried = [], 0
    for version in options.python or VERSIONS:
        python = find_python(version)
        if python is None:
            skipped.append(version)
            continue
        wheel = wheel_for(version)
        environment = Environment(version, python)
        # Wheels only: where a dependency would have to be compiled, this must fail. OpenMM-ML, which is pure Python, has
        # source distributions alone.
        pip_options = ("--quiet", "--only-binary", ":all:", "--no-binary", "openmmml")
        environment.run("python", "-m", "pip", "install", *pip_options, f"{wheel}[ml]")
        place = environment.run("python", "-c", "import openmm_polarmp; print(openmm_polarmp.__file__)").strip()
        assert Path(place).is_relative_to(environment.folder), place
        platforms = environment.run("polarmp", "check")
        assert "Reference" in platforms and "CPU" in platforms, platforms
        check_example(environment)
        check_without_opencl(environment)
        print(f"Python {version}: {wheel.name} works", flush=True)
        tried += 1
    for version in skipped:
        print(f"skipped: Python {version}, of which no interpreter is on PATH or in pyenv")
    if not tried or (options.python and skipped):
        sys.exit("a Python that was asked for is missing")


if __name__ == "__main__":
    main()
