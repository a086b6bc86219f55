"""``python -m openmm_polarmp.bench.startup``: time and memory until the first step is done, in a process of its own."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

import openmm

from openmm_polarmp.bench.machine import machine
from openmm_polarmp.sources.options import EVALUATORS

SCRIPT = """
import sys
import time
from pathlib import Path

start = time.perf_counter()
import numpy as np
import openmm
from openmm import app
from openmmml import MLPotential

evaluator, platform = sys.argv[1:3]
topology, positions = app.Topology(), []
chain = topology.addChain()
edge = 0.31 * 4
for place in np.ndindex(4, 4, 4):
    residue = topology.addResidue("HOH", chain)
    for symbol, offset in (("O", (0, 0, 0)), ("H", (0.0957, 0, 0)), ("H", (-0.024, 0.0927, 0))):
        topology.addAtom(symbol, app.Element.getBySymbol(symbol), residue)
        positions.append(0.31 * np.array(place) + offset)
topology.setPeriodicBoxVectors(np.eye(3) * edge * openmm.unit.nanometer)
imported = time.perf_counter()
system = MLPotential("polarmp").createSystem(topology, evaluator=evaluator)
made = time.perf_counter()
integrator = openmm.VerletIntegrator(1e-5)
context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName(platform))
context.setPositions(positions)
integrator.step(1)
stepped = time.perf_counter()
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(imported - start, made - imported, stepped - made, peak / 1024)
"""


def startup(evaluator: str, platform: str = "CPU") -> tuple[float, float, float, float]:
    """Seconds of the imports of OpenMM and OpenMM-ML, of createSystem, and of Context and first step; peak memory in MB.

    Of 64 molecules of water with the shipped model; Linux.
    """
    done = subprocess.run([sys.executable, "-c", SCRIPT, evaluator, platform], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the start with {evaluator} failed: {done.stderr.strip().splitlines()[-1:]}")
    imports, creation, first_step, memory = map(float, done.stdout.split()[-4:])
    return imports, creation, first_step, memory


def main() -> None:
    """Print a table: medians of some starts, without the first, which fills the disk's caches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", default="CPU")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{machine('cpu')}, OpenMM {openmm.version.short_version}, {options.platform}\n")
    columns = ("imports of OpenMM, s", "createSystem, s", "Context and first step, s", "in all, s", "peak memory, MB")
    print(f"| evaluator | {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|")
    rows: dict[str, list[tuple[float, ...]]] = {evaluator: [] for evaluator in EVALUATORS}
    for _ in range(1 + options.repeats):  # turn by turn: a machine that others use too changes its speed
        for evaluator in EVALUATORS:
            rows[evaluator].append(startup(evaluator, options.platform))
    for evaluator, found in rows.items():
        *seconds, memory = (statistics.median(column) for column in zip(*found[1:], strict=True))
        cells = " | ".join(f"{s:.2f}" for s in (*seconds, sum(seconds)))
        print(f"| {evaluator} | {cells} | {memory:.0f} |")


if __name__ == "__main__":
    main()
