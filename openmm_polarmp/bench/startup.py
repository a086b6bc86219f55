"""``python -m openmm_polarmp.bench.startup``: time and memory until the first step, in a process of its own."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

import openmm

from openmm_polarmp.bench.machine import machine
from openmm_polarmp.bench.water_box import water_box_nm
from openmm_polarmp.sources.options import EVALUATORS

SCRIPT = """
import json
import sys
import time
from pathlib import Path

start = time.perf_counter()
import numpy as np
import openmm
from openmm import app
from openmmml import MLPotential

evaluator, platform = sys.argv[1:3]
positions, edge = json.load(sys.stdin)
topology = app.Topology()
chain = topology.addChain()
for _ in range(len(positions) // 3):
    residue = topology.addResidue("HOH", chain)
    for symbol in ("O", "H", "H"):
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
topology.setPeriodicBoxVectors(np.eye(3) * edge * openmm.unit.nanometer)
imported = time.perf_counter()
system = MLPotential("polarmp").createSystem(topology, evaluator=evaluator)
created = time.perf_counter()
integrator = openmm.VerletIntegrator(1e-5)
context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName(platform))
context.setPositions(positions)
integrator.step(1)
stepped = time.perf_counter()
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(imported - start, created - imported, stepped - created, peak / 1024)
"""

ATOMS = 192


def startup(evaluator: str, platform: str = "CPU") -> tuple[float, float, float, float]:
    """Time and memory until the first step of 64 molecules of water with the shipped model; Linux.

    Parameters
    ----------
    evaluator : str
        ``native`` or ``torch``.
    platform : str
        Name of OpenMM's platform.

    Returns
    -------
    imports, creation, first_step : float
        Seconds of the imports of OpenMM and OpenMM-ML, of createSystem, and of the Context and the first step.
    memory : float
        Peak memory in MB.
    """
    positions, _, edge = water_box_nm(ATOMS)
    command = [sys.executable, "-c", SCRIPT, evaluator, platform]
    process = subprocess.run(command, input=json.dumps([positions.tolist(), edge]), capture_output=True, text=True)
    if process.returncode != 0:
        raise RuntimeError(f"the start with {evaluator} failed: {process.stderr.strip().splitlines()[-1:]}")
    imports, creation, first_step, memory = map(float, process.stdout.split()[-4:])
    return imports, creation, first_step, memory


def main() -> None:
    """Print a table: medians of several starts, without the first, which fills the disk's caches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", default="CPU")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{machine('cpu')}, OpenMM {openmm.version.short_version}, {options.platform}\n")
    columns = ("imports of OpenMM, s", "createSystem, s", "Context and first step, s", "in all, s", "peak memory, MB")
    print(f"| evaluator | {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|")
    rows: dict[str, list[tuple[float, ...]]] = {evaluator: [] for evaluator in EVALUATORS}
    for _ in range(1 + options.repeats):  # alternately: other work on the machine changes its speed
        for evaluator in EVALUATORS:
            rows[evaluator].append(startup(evaluator, options.platform))
    for evaluator, starts in rows.items():
        *seconds, memory = (statistics.median(column) for column in zip(*starts[1:], strict=True))
        cells = " | ".join(f"{s:.2f}" for s in (*seconds, sum(seconds)))
        print(f"| {evaluator} | {cells} | {memory:.0f} |")


if __name__ == "__main__":
    main()
