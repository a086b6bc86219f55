"""The command's table."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openmm
import torch

from openmm_polarmp.bench import electrostatics
from openmm_polarmp.bench.apart import milliseconds_apart
from openmm_polarmp.bench.floor import H200, floor_table
from openmm_polarmp.bench.machine import GPU_PLATFORMS, description
from openmm_polarmp.bench.memory import bytes_per_atom
from openmm_polarmp.bench.peers import PEERS
from openmm_polarmp.bench.phases import phases

PEERS_LIMIT = 10_000  # atoms, on the processor
INSTALLED_AS = {"nvalchemi-toolkit-ops quQ": "nvalchemiops", "torch-pme q": "torchpme"}
# Atoms, on the processor, where it grows with the square (direct takes 13 s a step there), and on a GPU, where OpenMM takes
# minutes to make larger Systems.
AMOEBA_LIMITS = {"direct": 30_000, "mutual": 10_000}
AMOEBA_LIMIT_GPU = 100_000


def run_bench(
    atoms: Sequence[int] | None = None,
    platform: str = "CPU",
    *,
    precision: str | None = None,
    threads: int | None = None,
    model: str = "polarmp-water",
    evaluator: str | None = None,
    parts: Sequence[str] = ("electrostatics", "step"),
    peers: bool = True,
    seconds: float = 2.0,
    output: str | Path | None = None,
) -> dict[str, Any]:
    """Measure and print; the numbers are medians in ms of one run on one machine.

    Parameters
    ----------
    atoms
        Sizes of the boxes of water; by default 1,000, 3,000 and 10,000, on a GPU 3,000, 24,000, 100,000 and 1,000,000
    platform, precision, threads
        OpenMM's platform, its precision mode, and threads on the CPU
    model
        File or name of the model of the whole step
    evaluator
        Of its network: ``native`` (default) or ``torch``
    parts
        ``electrostatics``, ``step``, ``threads`` (one against several), ``memory`` (bytes of the host per atom), ``floor``
        (what the kernels do for each atom, and the least time of that on an H200; nothing is measured)
    peers
        Also the dense sum in torch, AMOEBA with direct and mutual polarization, the PME of point charges, and what is
        installed of `bench.peers`
    seconds
        For each number
    output
        JSON file for everything
    """
    if threads:
        torch.set_num_threads(threads)
    properties = {"Precision": precision} if precision else {}
    if threads:
        properties["Threads"] = str(threads)
    if atoms is None:
        atoms = [3000, 24_000, 100_000, 1_000_000] if platform in GPU_PLATFORMS else [1000, 3000, 10_000]
    where = description(platform, precision)
    print(f"{where}; force accuracy 5e-4; medians in ms\n")
    result: dict[str, Any] = {"machine": where, "electrostatics": [], "step": []}
    if "electrostatics" in parts:
        result["electrostatics"] = _electrostatics(atoms, platform, properties, peers, seconds)
    if "step" in parts:
        result["step"] = _steps(atoms, platform, properties, model, evaluator, seconds)
    if "threads" in parts:
        result["threads"] = _threads(atoms, platform, threads or torch.get_num_threads(), seconds)
    if "memory" in parts:
        result["memory"] = _memory(atoms, platform)
    if "floor" in parts:
        print(f"for each atom, and the least time on an {H200.name} by its peak numbers: {H200}\n\n{floor_table()}\n")
    if output:
        Path(output).write_text(json.dumps(result, indent=1))
    return result


def _electrostatics(atoms, platform, properties, peers, seconds) -> list[dict[str, Any]]:
    columns = [*electrostatics.RUNGS, "error of quQ+ka"]
    others = [name for name, package in INSTALLED_AS.items() if find_spec(package)] if peers else []
    columns += ["dense sum", "AMOEBA direct", "AMOEBA mutual", "point charges", *others] if peers else []
    print("electrostatics alone, energy, forces and moment gradients\n")
    print("| atoms | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    rows = []
    for n in atoms:
        row: dict[str, Any] = {"atoms": n}
        for rung in electrostatics.RUNGS:
            row[rung] = electrostatics.ours(n, rung, platform, properties).milliseconds(seconds)
        row["error of quQ+ka"] = electrostatics.accuracy(n, "quQ+ka", platform, properties)
        if peers:
            _add_peers(row, n, platform, properties, others, seconds)
        rows.append(row)
        print(f"| {n} | " + " | ".join(_cell(row, column) for column in columns) + " |", flush=True)
    for row in rows:
        for name, value in row.items():
            if isinstance(value, str):
                print(f"{row['atoms']} atoms, {name}: {value}")
    if len(rows) > 1:
        first, last = rows[0], rows[-1]
        growth = math.log(last["quQ+ka"] / first["quQ+ka"]) / math.log(last["atoms"] / first["atoms"])
        print(f"\nquQ+ka grows as N^{growth:.2f} from {first['atoms']} to {last['atoms']} atoms")
        if peers:
            ratios = ", ".join(f"{row['dense sum'] / row['quQ+ka']:.0f}" for row in rows)
            print(f"the dense sum takes {ratios} times as long as quQ+ka")
    print("* extrapolated from 3,000 atoms with the square of their number\n")
    return rows


def _add_peers(row: dict[str, Any], n: int, platform: str, properties, others: Sequence[str], seconds: float) -> None:
    gpu = platform in GPU_PLATFORMS
    device = "cuda" if platform == "CUDA" else "cpu"
    row["dense sum"], row["dense sum extrapolated"] = electrostatics.dense_sum(n, device)
    common = {"atoms": n, "platform": platform, "properties": properties}
    for polarization, limit in AMOEBA_LIMITS.items():
        limit = AMOEBA_LIMIT_GPU if gpu else limit
        row[f"AMOEBA {polarization}"] = f"not measured above {limit} atoms"
        if n <= limit:
            found = milliseconds_apart("amoeba", seconds, polarization=polarization, **common)
            row[f"AMOEBA {polarization}"] = found
    row["point charges"] = milliseconds_apart("point_charges", seconds, **common)
    if n <= PEERS_LIMIT or gpu:
        for name in others:
            row[name], row[f"error of {name}"] = PEERS[name](n, device=device)


def _steps(atoms, platform, properties, model, evaluator, seconds) -> list[dict[str, Any]]:
    print(f"the whole step with {model}\n")
    rows: list[dict[str, Any]] = []
    for n in atoms:
        try:
            row = phases(model, n, platform, properties, seconds, evaluator)
        except (openmm.OpenMMException, RuntimeError) as error:
            if "out of memory" not in str(error).lower().replace("_", " "):
                raise
            print(f"{n} atoms: {(str(error).splitlines() or [''])[0]}", flush=True)
            rows.append({"atoms": n, "error": str(error)})
            continue
        if not any("whole" in earlier for earlier in rows):
            print("| atoms | " + " | ".join(row) + " |\n" + "|---" * (len(row) + 1) + "|")
        rows.append({"atoms": n, **row})
        print(f"| {n} | " + " | ".join(_number(value) for value in row.values()) + " |", flush=True)
    print()
    return rows


def _threads(atoms, platform, threads: int, seconds: float) -> list[dict[str, Any]]:
    """One thread and several, turn by turn: a machine that others use too changes its speed."""
    print(
        f"one thread against {threads}, quQ+ka; OpenMM's own step without any force, and the ratios with and without it\n"
    )
    print(f"| atoms | 1 thread, ms | {threads} threads, ms | OpenMM's own, ms | ratio | of the electrostatics |")
    print("|---" * 6 + "|")
    rows = []
    for n in atoms:
        made = {
            "one": lambda n=n: electrostatics.ours(n, "quQ+ka", platform, {"Threads": "1"}),
            "several": lambda n=n: electrostatics.ours(n, "quQ+ka", platform, {"Threads": str(threads)}),
            "own": lambda n=n: electrostatics.no_force(n, platform, {"Threads": str(threads)}),
        }
        times: dict[str, list[float]] = {name: [] for name in made}
        for _ in range(3):
            for name, make in made.items():
                times[name].append(make().milliseconds(seconds / 3))
        row = {name: statistics.median(found) for name, found in times.items()}
        rows.append({"atoms": n, **row})
        one, several, own = row["one"], row["several"], row["own"]
        ratios = f"{one / several:.2f} | {(one - own) / (several - own):.2f}"
        print(f"| {n} | {one:.2f} | {several:.2f} | {own:.2f} | {ratios} |", flush=True)
    print()
    return rows


def _memory(atoms, platform) -> list[dict[str, Any]]:
    where = "GPU" if platform == "CUDA" else "host"
    print(f"{where} memory of the electrostatics, quQ+ka\n\n| atoms | bytes per atom | MB |\n|---|---|---|")
    rows = []
    for n in atoms:
        size = bytes_per_atom(n, platform)
        rows.append({"atoms": n, "bytes per atom": size})
        print(f"| {n} | {size:.0f} | {1e-6 * size * n:.0f} |", flush=True)
    print()
    return rows


def _cell(row: dict[str, Any], column: str) -> str:
    value = row.get(column, "-")
    if isinstance(value, str):
        return "-"
    if column.startswith("error"):
        return f"{value:.1e}"
    return _number(value) + ("*" if column == "dense sum" and row["dense sum extrapolated"] else "")


def _number(value: float) -> str:
    """Three digits of what takes less than a millisecond, as on a GPU."""
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:.{digits}f}"
