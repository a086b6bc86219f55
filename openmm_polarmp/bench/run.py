"""What ``polarmp bench`` measures and prints."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import openmm
import torch

from openmm_polarmp.bench import electrostatics
from openmm_polarmp.bench.floor import H200, floor_table
from openmm_polarmp.bench.isolated import isolated_milliseconds
from openmm_polarmp.bench.machine import GPU_PLATFORMS, description
from openmm_polarmp.bench.memory import bytes_per_atom
from openmm_polarmp.bench.peers import PEERS
from openmm_polarmp.bench.phases import phases
from openmm_polarmp.bench.timing import Stepper
from openmm_polarmp.bench.torch_electrostatics import dense_sum

PEERS_LIMIT = 10_000  # atoms, on the CPU
INSTALLED_AS = {"nvalchemi-toolkit-ops quQ": "nvalchemiops", "torch-pme q": "torchpme"}
# Atoms: on the CPU, where the time grows with the square of their number (direct takes 13 s a step at this limit), and on a
# GPU, where OpenMM takes minutes to create larger Systems.
AMOEBA_LIMITS = {"direct": 30_000, "mutual": 10_000}
AMOEBA_LIMIT_GPU = 100_000
MUTUAL_ROUNDS = 10


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
    atoms : sequence of int, optional
        Sizes of the boxes of water; by default 1,000, 3,000 and 10,000, on a GPU 3,000, 24,000, 100,000 and 1,000,000.
    platform, precision : str
        OpenMM's platform and its precision mode.
    threads : int, optional
        Threads of OpenMM and torch on the CPU.
    model : str
        File or name of the model of the whole step.
    evaluator : str, optional
        Evaluator of its network: ``native`` (default) or ``torch``.
    parts : sequence of str
        ``electrostatics``, ``step``, ``threads`` (one against several), ``memory`` (bytes per atom), ``mutual``
        (self-consistent response: iterations and the time of a step over that with direct response), ``floor`` (what the
        kernels do for each atom and the least time that this takes on an H200; nothing is measured).
    peers : bool
        Also measure the dense sum in torch, AMOEBA with direct and mutual polarization, the PME of point charges, and
        those packages of `bench.peers` that are installed.
    seconds : float
        Duration of each measurement.
    output : str or Path, optional
        JSON file to write.

    Returns
    -------
    dict
        The machine, and for each part its rows.
    """
    if threads:
        torch.set_num_threads(threads)
    properties = {"Precision": precision} if precision else {}
    if threads:
        properties["Threads"] = str(threads)
    if atoms is None:
        atoms = [3000, 24_000, 100_000, 1_000_000] if platform in GPU_PLATFORMS else [1000, 3000, 10_000]
    machine = description(platform, precision)
    print(f"{machine}; force accuracy 5e-4; medians in ms\n")
    result: dict[str, Any] = {"machine": machine, "electrostatics": [], "step": []}
    if "electrostatics" in parts:
        result["electrostatics"] = _electrostatics(atoms, platform, properties, peers, seconds)
    if "step" in parts:
        result["step"] = _steps(atoms, platform, properties, model, evaluator, seconds)
    if "threads" in parts:
        result["threads"] = _threads(atoms, platform, threads or torch.get_num_threads(), seconds)
    if "memory" in parts:
        result["memory"] = _memory(atoms, platform)
    if "mutual" in parts:
        from openmm_polarmp.bench import mutual  # here, because it is also a command of its own

        print(f"self-consistent response of polarmp-water, {MUTUAL_ROUNDS} rounds of {mutual.STEPS} steps in turns\n")
        molecules = [max(n // 3, mutual.FEWEST) for n in atoms]
        device = mutual.Platform(platform, properties)
        result["mutual"] = mutual.step_times(molecules, mutual.EPSILONS, device, MUTUAL_ROUNDS)
        print()
    if "floor" in parts:
        print(f"for each atom, and the least time on an {H200.name} at its peak rates: {H200}\n\n{floor_table()}\n")
    if output:
        Path(output).write_text(json.dumps(result, indent=1))
    return result


def _electrostatics(
    atoms: Sequence[int], platform: str, properties: dict[str, str], peers: bool, seconds: float
) -> list[dict[str, Any]]:
    columns = [*electrostatics.RUNGS, "error of quQ+ka"]
    others = [name for name, package in INSTALLED_AS.items() if find_spec(package)] if peers else []
    columns += ["dense sum", "AMOEBA direct", "AMOEBA mutual", "point charges", *others] if peers else []
    print("electrostatics alone, energy, forces and moment gradients\n")
    print("| atoms | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    rows = []
    for n in atoms:
        row: dict[str, Any] = {"atoms": n}
        for rung in electrostatics.RUNGS:
            row[rung] = electrostatics.polarmp(n, rung, platform, properties).milliseconds(seconds)
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


def _add_peers(
    row: dict[str, Any], n: int, platform: str, properties: dict[str, str], others: Sequence[str], seconds: float
) -> None:
    gpu = platform in GPU_PLATFORMS
    device = "cuda" if platform == "CUDA" else "cpu"
    row["dense sum"], row["dense sum extrapolated"] = dense_sum(n, device)
    common = {"atoms": n, "platform": platform, "properties": properties}
    for polarization, limit in AMOEBA_LIMITS.items():
        limit = AMOEBA_LIMIT_GPU if gpu else limit
        name = f"AMOEBA {polarization}"
        if n <= limit:
            row[name] = isolated_milliseconds("amoeba", seconds, polarization=polarization, **common)
        else:
            row[name] = f"not measured above {limit} atoms"
    row["point charges"] = isolated_milliseconds("point_charges", seconds, **common)
    if n <= PEERS_LIMIT or gpu:
        for name in others:
            row[name], row[f"error of {name}"] = PEERS[name](n, device=device)


def _steps(
    atoms: Sequence[int],
    platform: str,
    properties: dict[str, str],
    model: str,
    evaluator: str | None,
    seconds: float,
) -> list[dict[str, Any]]:
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


def _threads(atoms: Sequence[int], platform: str, threads: int, seconds: float) -> list[dict[str, Any]]:
    """One thread and several, alternately: other work on the machine changes its speed."""
    print(f"one thread against {threads}, quQ+ka; a step without any force, and the ratios with and without it\n")
    print(f"| atoms | 1 thread, ms | {threads} threads, ms | no force, ms | ratio | of the electrostatics |")
    print("|---" * 6 + "|")
    rows = []
    for n in atoms:
        makers: dict[str, Callable[[], Stepper]] = {
            "one": partial(electrostatics.polarmp, n, "quQ+ka", platform, {"Threads": "1"}),
            "several": partial(electrostatics.polarmp, n, "quQ+ka", platform, {"Threads": str(threads)}),
            "no force": partial(electrostatics.no_force, n, platform, {"Threads": str(threads)}),
        }
        times: dict[str, list[float]] = {name: [] for name in makers}
        for _ in range(3):
            for name, make in makers.items():
                times[name].append(make().milliseconds(seconds / 3))
        row = {name: statistics.median(values) for name, values in times.items()}
        rows.append({"atoms": n, **row})
        one, several, bare = row.values()
        ratios = f"{one / several:.2f} | {(one - bare) / (several - bare):.2f}"
        print(f"| {n} | {one:.2f} | {several:.2f} | {bare:.2f} | {ratios} |", flush=True)
    print()
    return rows


def _memory(atoms: Sequence[int], platform: str) -> list[dict[str, Any]]:
    kind = "GPU" if platform == "CUDA" else "host"
    print(f"{kind} memory of the electrostatics, quQ+ka\n\n| atoms | bytes per atom | MB |\n|---|---|---|")
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
    """Three decimals below a millisecond, as on a GPU, fewer above."""
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:.{digits}f}"
