"""Memory of the electrostatics, in a process of its own for each size."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path

from openmm_polarmp.bench.electrostatics import polarmp

def on_host(name):
    return 1024 * next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )

def on_gpu():
    import torch

    free, total = torch.cuda.mem_get_info()
    return total - free

atoms, platform = int(sys.argv[1]), sys.argv[2]
small = polarmp(300, "quQ+ka", platform, {})
before = on_gpu() if platform == "CUDA" else on_host("VmRSS")
large = polarmp(atoms, "quQ+ka", platform, {})
large.forces()
print((on_gpu() if platform == "CUDA" else on_host("VmHWM")) - before)
"""


def bytes_per_atom(atoms: int, platform: str = "CPU") -> float:
    """Bytes per atom of a step with charges, dipoles, quadrupoles and induced moments; Linux.

    The peak of the host's memory minus the memory of a small box. It contains the System, the Context, the step and
    Python's list of moments. On the CUDA platform it is the GPU's memory, which other processes on that GPU change too.
    """
    command = [sys.executable, "-c", SCRIPT, str(atoms), platform]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode != 0:
        last = process.stderr.strip().splitlines()[-1:]
        raise RuntimeError(f"memory of {atoms} atoms could not be measured: {last}")
    return int(process.stdout.split()[-1]) / atoms
