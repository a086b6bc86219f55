"""Memory of the electrostatics, in a process of its own for each size."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path

from openmm_polarmp.bench.electrostatics import ours

def on_host(name):
    return 1024 * next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )

def on_gpu():
    import torch

    free, total = torch.cuda.mem_get_info()
    return total - free

atoms, platform = int(sys.argv[1]), sys.argv[2]
small = ours(300, "quQ+ka", platform, {})
before = on_gpu() if platform == "CUDA" else on_host("VmRSS")
large = ours(atoms, "quQ+ka", platform, {})
large.forces()
print((on_gpu() if platform == "CUDA" else on_host("VmHWM")) - before)
"""


def bytes_per_atom(atoms: int, platform: str = "CPU") -> float:
    """Peak of host memory over that of a small box, by atom: charges, dipoles, quadrupoles, induced moments; Linux.

    Everything that the System, the Context and the step need is in it, the list of moments that Python gave as well. On
    the CUDA platform it is the GPU's memory, which others on that GPU change too.
    """
    command = [sys.executable, "-c", SCRIPT, str(atoms), platform]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"memory of {atoms} atoms could not be measured: {done.stderr.strip().splitlines()[-1:]}")
    return int(done.stdout.split()[-1]) / atoms
