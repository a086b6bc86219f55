"""What Nsight Compute says of our kernels: kernels.py [platform] [atoms]; with --target: the program that is looked at.

Of every kernel one launch is measured, in a step after the first ones; the table has its time, what limits it, and what its
warps wait for.
"""

from __future__ import annotations

import csv
import glob
import io
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.environ.get("root", ".")
SECTIONS = ("SpeedOfLight", "LaunchStats", "Occupancy", "WarpStateStats", "MemoryWorkloadAnalysis")
COLUMNS = {
    "us": ("gpu__time_duration.sum", 1e-3),
    "grid": ("launch__grid_size", 1),
    "block": ("launch__block_size", 1),
    "regs": ("launch__registers_per_thread", 1),
    "shared, B": ("launch__shared_mem_per_block", 1),
    "occupancy, %": ("sm__warps_active.avg.pct_of_peak_sustained_active", 1),
    "possible, %": ("sm__maximum_warps_per_active_cycle_pct", 1),
    "SM, %": ("sm__throughput.avg.pct_of_peak_sustained_elapsed", 1),
    "L1, %": ("l1tex__throughput.avg.pct_of_peak_sustained_active", 1),
    "L2, %": ("lts__throughput.avg.pct_of_peak_sustained_elapsed", 1),
    "DRAM, %": ("gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed", 1),
    "DRAM, GB/s": ("dram__bytes.sum.per_second", 1e-9),
    "L1 hits, %": ("l1tex__t_sector_hit_rate.pct", 1),
    "L2 hits, %": ("lts__t_sector_hit_rate.pct", 1),
}
STALL = "smsp__average_warps_issue_stalled_"


def target(platform: str, atoms: int, what: str) -> None:
    import openmm
    from common import context_of, fixed_force, network_force, system_of, wait, water

    positions, numbers, edge = water(atoms)
    force = fixed_force(numbers) if what == "fixed" else network_force(numbers, what)
    integrator = openmm.VerletIntegrator(1e-6)
    context = context_of(system_of(numbers, edge, force, heavy=True), platform, "mixed", integrator)
    context.setPositions(positions)
    integrator.step(8)
    wait(context)


def table(text: str) -> list[str]:
    """Lines of a table from ncu's raw page as comma-separated values."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith('"ID"')]
    if not starts:
        return []
    rows = list(csv.DictReader(io.StringIO("\n".join(line for line in lines[starts[0] :] if line.startswith('"')))))
    numbers = [row for row in rows if row.get("ID", "").strip().isdigit()]
    units = next((row for row in rows if not row.get("ID", "").strip()), {})
    table = [
        "| kernel | " + " | ".join(COLUMNS) + " | warps wait for (cycles an instruction) |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for row in sorted(numbers, key=lambda r: -number(r.get("gpu__time_duration.sum", "0"))):
        cells = [value_of(row, units, *COLUMNS[name]) for name in COLUMNS]
        stalls = {
            k[len(STALL) :].removesuffix("_per_issue_active.ratio"): number(v)
            for k, v in row.items()
            if k and k.startswith(STALL) and k.endswith("_per_issue_active.ratio")
        }
        top = sorted(((v, k) for k, v in stalls.items() if k != "selected" and "not_issued" not in k), reverse=True)[:4]
        table.append(
            f"| {row['Kernel Name'].split('(')[0][:40]} | "
            + " | ".join(cells)
            + " | "
            + ", ".join(f"{k} {v:.1f}" for v, k in top)
            + " |"
        )
    return table


def names() -> str:
    """A regular expression for the kernels of the source tree."""
    kernels = set()
    for path in glob.glob(os.path.join(ROOT, "plugin_cpp/platforms/common/src/kernels/*.cc")):
        with open(path) as file:
            kernels.update(re.findall(r"KERNEL void (\w+)", file.read()))
    return "^(" + "|".join(sorted(kernels)) + ")$"


def number(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except (ValueError, AttributeError):
        return float("nan")


def value_of(row: dict, units: dict, metric: str, factor: float) -> str:
    key = next((k for k in row if k and (k == metric or k.startswith(metric + " "))), None)
    if key is None:
        return "-"
    value = factor * number(row[key])
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def main(platform: str, atoms: int) -> int:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from common import card, evaluators, versions

    ncu = shutil.which("ncu") or next(
        (p for p in ("/usr/local/cuda/bin/ncu", "/opt/nvidia/nsight-compute/2025.3.1/ncu") if os.path.exists(p)), None
    )
    if ncu is None:
        print("RESULT ncu is not here")
        return 1
    print(f"{card()}; {versions()}; {atoms} atoms, mixed, one launch of each kernel")
    bad = 0
    out = os.environ.get("POLARMP_GPU_REPORTS")
    for what in ["fixed", *(e for e in evaluators() if e == "native")]:
        start = time.time()
        command = [
            ncu,
            "--clock-control",
            "none",
            "--target-processes",
            "all",
            "--kernel-id",
            f"::regex:{names()}:6",
            "--launch-count",
            "60",
        ]
        for section in SECTIONS:
            command += ["--section", section]
        command += ["--csv", "--page", "raw", "--print-units", "base"]
        command += [sys.executable, os.path.abspath(__file__), "--target", platform, str(atoms), what]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
        if out:
            with open(f"{out}/ncu-{what}.csv", "w") as file:
                file.write(done.stdout)
        lines = table(done.stdout)
        print(
            f"case ncu {what}: {max(0, len(lines) - 2)} kernels, exit {done.returncode}, {time.time() - start:.0f} s",
            flush=True,
        )
        print("\n".join(lines), flush=True)
        if len(lines) < 3:
            bad += 1
            print((done.stdout[-1500:] + done.stderr[-1500:]).strip(), flush=True)
    print(f"RESULT {'done' if not bad else f'{bad} without kernels'}")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--target":
        target(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "CUDA", int(sys.argv[2]) if len(sys.argv) > 2 else 24000))
