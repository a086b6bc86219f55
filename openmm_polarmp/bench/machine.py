"""What a measurement was made on."""

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
    """Processor or card with its driver, versions of what takes part, OpenMM's platform and its precision."""
    device = "cuda" if platform == "CUDA" and torch.cuda.is_available() else "cpu"
    parts = [machine(device), f"OpenMM {openmm.version.short_version}", f"openmm-polarmp {__version__}"]
    if platform == "CUDA":
        parts.insert(1, driver())
    return ", ".join(parts) + f", {platform}" + (f" {precision}" if precision else "")


def driver() -> str:
    """Version of NVIDIA's driver and the newest CUDA that it runs."""
    found = "driver unknown"
    try:
        match = re.search(r"Module.*?\s(\d+\.[\d.]+)\s", Path("/proc/driver/nvidia/version").read_text())
        found = f"driver {match.group(1)}" if match else found
    except OSError:
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            found = f"driver {done.stdout.splitlines()[0].strip()}" if done.returncode == 0 else found
        except (OSError, IndexError, subprocess.TimeoutExpired):
            pass
    version = driver_cuda()
    return found if version is None else f"{found} for CUDA {version[0]}.{version[1]}"


def machine(device: str) -> str:
    """Processor or card, threads, and the version of torch."""
    if device != "cpu":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    name = processor.processor() or processor.machine()
    try:
        with open("/proc/cpuinfo") as info:
            name = next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"
