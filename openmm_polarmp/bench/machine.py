"""The machine and the software of a measurement."""

from __future__ import annotations

import platform as processor
import re
import subprocess
from pathlib import Path

import openmm
import torch

from openmm_polarmp._platforms.driver import driver_cuda
from openmm_polarmp._version import __version__

GPU_PLATFORMS = ("CUDA", "HIP")


def description(platform: str, precision: str | None = None) -> str:
    """Processor or GPU with its driver, versions of the software, OpenMM's platform and its precision."""
    device = "cuda" if platform == "CUDA" and torch.cuda.is_available() else "cpu"
    parts = [machine(device), f"OpenMM {openmm.version.short_version}", f"openmm-polarmp {__version__}"]
    if platform == "CUDA":
        parts.insert(1, driver())
    return ", ".join(parts) + f", {platform}" + (f" {precision}" if precision else "")


def driver() -> str:
    """Version of NVIDIA's driver and the newest CUDA that it runs."""
    text = "driver unknown"
    try:
        match = re.search(r"Module.*?\s(\d+\.[\d.]+)\s", Path("/proc/driver/nvidia/version").read_text())
        text = f"driver {match.group(1)}" if match else text
    except OSError:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            process = subprocess.run(command, capture_output=True, text=True, timeout=30)
            text = f"driver {process.stdout.splitlines()[0].strip()}" if process.returncode == 0 else text
        except (OSError, IndexError, subprocess.TimeoutExpired):
            pass
    version = driver_cuda()
    return text if version is None else f"{text} for CUDA {version[0]}.{version[1]}"


def machine(device: str) -> str:
    """Processor with its number of threads, or GPU, and the version of torch."""
    if device != "cpu":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    name = processor.processor() or processor.machine()
    try:
        with open("/proc/cpuinfo") as info:
            name = next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"
