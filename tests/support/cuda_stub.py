"""OpenMM's CUDA platform without a GPU, on a stub of the driver (tests/support/cuda_stub.c), in processes of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import openmm
import pytest

from .platforms import PlatformChoice, why_unusable

PLUGINS = Path(openmm.version.openmm_library_path) / "plugins"
SOURCE = Path(__file__).with_suffix(".c")


def stub_environment(folder: Path) -> dict[str, str]:
    """Environment of a process that finds the stub, built in ``folder``; skips the test where that is not possible."""
    if why_unusable(PlatformChoice("CUDA", "mixed")) is None:
        pytest.skip("there is a GPU: the same is tried on it")
    if not (PLUGINS / "libOpenMMCUDA.so").exists():
        pytest.skip("OpenMM's CUDA wheel is not installed here: pip install openmm-polarmp[cuda13]")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler for the stub of the driver")
    for name in ("libcuda.so.1", "libcufft.so.11", "libcufft.so.12"):
        command = ["cc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", "-o", str(folder / name), str(SOURCE)]
        subprocess.run(command, check=True)
    paths = [str(folder), *(str(p) for p in PLUGINS.parents[2].glob("nvidia/*/lib"))]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(paths),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
