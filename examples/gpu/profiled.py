"""Where the time of a step goes: profiled.py [platform] [atoms ...]

For electrostatics with fixed moments and for polarmp-water: how far the host runs ahead of the GPU, what OpenMM and the
plugin ask of the driver in a step (through drivercalls.so), and every kernel, copy and wait by torch's profiler, which sees
the kernels of OpenMM as well.
"""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict

import openmm
from common import NotHere, card, context_of, fixed_force, milliseconds, network_force, system_of, versions, wait, water


def driver_calls() -> dict[str, tuple[int, float]] | None:
    """Calls since the last time and the seconds in them; None without drivercalls.so."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "drivercalls_take"):
        return None
    names = ctypes.create_string_buffer(4096)
    counts, seconds = (ctypes.c_long * 64)(), (ctypes.c_double * 64)()
    number = library.drivercalls_take(names, 4096, counts, seconds)
    return {n: (counts[i], seconds[i]) for i, n in enumerate(names.value.decode().split()[:number])}


def show_driver_calls(context, integrator, steps: int) -> None:
    wait(context)
    driver_calls()
    start = time.perf_counter()
    integrator.step(steps)
    queued = time.perf_counter()
    calls = driver_calls()
    wait(context)
    done = time.perf_counter()
    print(
        f"  host queues a step in {1e3 * (queued - start) / steps:.3f} ms; then the GPU still needs {1e3 * (done - queued):.3f} ms for what is left of {steps} steps"
    )
    if calls is None:
        print("  calls of the driver: drivercalls.so is not loaded")
        return
    used = {n: (c / steps, 1e6 * s / steps) for n, (c, s) in calls.items() if c}
    print(
        "  calls of the driver a step by OpenMM and the plugin (count, us): "
        + ", ".join(f"{n} {c:.2f} {t:.0f}" for n, (c, t) in sorted(used.items(), key=lambda p: -p[1][1]))
    )


def read_trace(path: str, steps: int) -> dict:
    """What a chrome trace of torch's profiler says of the GPU, for each step."""
    with open(path) as file:
        events = [e for e in json.load(file)["traceEvents"] if e.get("ph") == "X"]
    on_gpu = sorted(
        (e for e in events if e.get("cat") in ("kernel", "gpu_memcpy", "gpu_memset")), key=lambda e: e["ts"]
    )
    host = Counter(e["name"] for e in events if e.get("cat") in ("cuda_runtime", "cuda_driver"))
    host_time = defaultdict(float)
    for e in events:
        if e.get("cat") in ("cuda_runtime", "cuda_driver"):
            host_time[e["name"]] += e["dur"]
    waits = {
        n: (c / steps, host_time[n] / steps)
        for n, c in host.items()
        if "Synchronize" in n or n in ("cudaMemcpy", "cudaMalloc", "cudaFree", "cudaStreamIsCapturing")
    }
    sync = Counter(e["name"] for e in events if e.get("cat") == "cuda_sync")
    by_name, count, busy, changes, gaps = defaultdict(float), Counter(), Counter(), 0, []
    last_end = last_context = first = None
    idle = 0.0
    for e in on_gpu:
        where = e.get("args", {}).get("context", "?")
        by_name[e["name"]] += e["dur"]
        count[e["name"]] += 1
        busy[where] += e["dur"]
        first = e["ts"] if first is None else first
        if last_end is not None:
            gap = e["ts"] - last_end
            idle += max(0.0, gap)
            if where != last_context:
                changes += 1
                gaps.append(gap)
        last_end = max(last_end or 0.0, e["ts"] + e["dur"])
        last_context = where
    span = 0.0 if first is None else last_end - first
    kinds = Counter(e["cat"] for e in on_gpu)
    return {
        "span_ms": span / steps / 1e3,
        "busy_ms": sum(busy.values()) / steps / 1e3,
        "idle_ms": idle / steps / 1e3,
        "busy_by_context_ms": {str(k): round(v / steps / 1e3, 3) for k, v in busy.items()},
        "kernels": kinds["kernel"] / steps,
        "copies": (kinds["gpu_memcpy"] + kinds["gpu_memset"]) / steps,
        "changes": changes / steps,
        "gap_us": statistics.median(gaps) if gaps else 0.0,
        "waits": {n: f"{c:.2f} in {t:.0f} us" for n, (c, t) in sorted(waits.items())},
        "sync": {n: round(c / steps, 2) for n, c in sorted(sync.items())},
        "host_calls": sum(host.values()) / steps,
        "top": [(1e-3 * t / steps, count[n] / steps, n) for n, t in sorted(by_name.items(), key=lambda p: -p[1])],
    }


def trace(context, integrator, steps: int, keep: str | None) -> dict:
    import torch

    kinds = [torch.profiler.ProfilerActivity.CPU]
    options = {}
    if torch.cuda.is_available():
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
        try:
            options["experimental_config"] = torch._C._profiler._ExperimentalConfig(enable_cuda_sync_events=True)
        except (AttributeError, TypeError) as error:
            print(f"  waits by CUPTI left out: {error}")
    with torch.profiler.profile(activities=kinds, **options) as profiler:
        integrator.step(steps)
        wait(context)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.json")
        profiler.export_chrome_trace(path)
        if keep:
            os.system(f"gzip -c {path} > {keep}")
        return read_trace(path, steps)


def measure(what: str, atoms: int, platform: str, make, steps: int = 10) -> None:
    positions, numbers, edge = water(atoms)
    integrator = openmm.VerletIntegrator(1e-6)
    context = context_of(system_of(numbers, edge, make(numbers), heavy=True), platform, "mixed", integrator)
    context.setPositions(positions)
    integrator.step(5)
    time_of = milliseconds(context, integrator, 0.3)
    print(f"== {what}, {atoms} atoms, mixed", flush=True)
    show_driver_calls(context, integrator, 50 if time_of < 20 else 5)
    folder = os.environ.get("POLARMP_GPU_TRACES")
    summary = trace(
        context,
        integrator,
        steps if time_of < 20 else 2,
        folder and f"{folder}/trace-{what.replace(' ', '-')}-{atoms}.json.gz",
    )
    print(f"  busy_by_context_ms: {summary['busy_by_context_ms']}")
    print(f"  waits of the host in torch's calls, a step: {summary['waits']}")
    print(f"  waits of the host by CUPTI (all; one at the end is the measurement's own), a step: {summary['sync']}")
    ours = 0
    for time_ms, calls, name in summary["top"]:
        if time_ms < 0.002 * summary["busy_ms"] and ours >= 40:
            break
        ours += 1
        print(f"  {1e3 * time_ms:9.1f} us {calls:6.1f} x {name[:100]}")
    print(
        f"| {atoms} | {what} | {time_of:.3f} ms a step; GPU busy {summary['busy_ms']:.3f} of {summary['span_ms']:.3f} ms while profiled, {summary['kernels']:.0f} kernels, "
        f"{summary['copies']:.0f} copies and fills, {summary['changes']:.1f} changes of context ({summary['gap_us']:.0f} us each) |",
        flush=True,
    )


def worker(platform: str, family: str, sizes: list[int]) -> None:
    import torch  # before its turn: this takes seconds
    from turns import my_turn

    import openmm_polarmp  # noqa: F401

    if torch.cuda.is_available():
        torch.zeros(1, device="cuda")
    make = fixed_force if family == "fixed" else lambda numbers: network_force(numbers, family)
    what = "electrostatics quQ+ka" if family == "fixed" else f"polarmp-water {family}"
    try:
        make(water(6)[1])
    except NotHere as error:
        print(f"not here: {error}", flush=True)
        my_turn()
        return
    my_turn()
    for atoms in sizes:
        try:
            measure(what, atoms, platform, make)
        except Exception as error:
            print(f"case {what} {atoms}: FAILED {type(error).__name__}: {str(error)[:200]}", flush=True)


def main(platform: str, sizes: list[int]) -> int:
    from turns import run

    here = os.path.abspath(__file__)
    print(f"{card()}; {versions()}", flush=True)
    preload = os.environ.get("POLARMP_GPU_DRIVERCALLS")
    environment = {"LD_PRELOAD": preload} if preload and os.path.exists(preload) else {}
    families = ("fixed", "native", "torch")
    workers = [(f, [sys.executable, here, "--worker", platform, f, *map(str, sizes)], environment) for f in families]
    bad = run(workers, prepare_s=30, each_s=25)
    print(f"RESULT {len(families) - bad} of {len(families)} profiled")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        worker(sys.argv[2], sys.argv[3], [int(a) for a in sys.argv[4:]])
    else:
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "CUDA", [int(a) for a in sys.argv[2:]] or [3000, 24000]))
