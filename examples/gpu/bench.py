"""Milliseconds of steps, ours beside others: bench.py [platform] [atoms ...]

Each family of rows has a process of its own (see turns.py). Heavy atoms: a step is one evaluation of the forces; "moving"
is dynamics of water at 300 K, searches of pairs included.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

import openmm
from common import (
    NotHere,
    amoeba_system,
    card,
    context_of,
    fixed_force,
    milliseconds,
    network_force,
    point_charges,
    resident_megabytes,
    system_of,
    torch_megabytes,
    versions,
    wait,
    water,
)

SECONDS = float(os.environ.get("POLARMP_GPU_ROW_SECONDS", 0.5))
AMOEBA_LIMIT = 30_000


def rows(family: str, atoms: int, platform: str):
    """(name, precision, function that makes the System) of each row."""
    positions, numbers, edge = water(atoms)

    def of(*forces):
        return system_of(numbers, edge, *forces, heavy=True)

    if family == "electrostatics":
        makers = [
            ("no force", "mixed", lambda: of()),
            ("electrostatics quQ+ka", "mixed", lambda: of(fixed_force(numbers))),
            ("electrostatics quQ+ka", "single", lambda: of(fixed_force(numbers))),
            ("electrostatics quQ", "mixed", lambda: of(fixed_force(numbers, "quQ"))),
            ("electrostatics q", "mixed", lambda: of(fixed_force(numbers, "q"))),
        ]
    elif family == "pme":
        makers = [
            ("point charges, OpenMM's PME", p, lambda: of(point_charges(numbers, edge))) for p in ("mixed", "single")
        ]
    elif family == "amoeba":
        makers = [
            ("AMOEBA multipoles, direct", "mixed", lambda: amoeba_system(numbers, edge, "direct", False)),
            ("AMOEBA multipoles, mutual", "mixed", lambda: amoeba_system(numbers, edge, "mutual", False)),
            ("AMOEBA whole, mutual", "mixed", lambda: amoeba_system(numbers, edge, "mutual", True)),
        ]
    else:
        _, evaluator, *options = family.split("-")
        keywords = {"compile": True} if "compile" in options else {}
        precisions = ("mixed", "single") if atoms <= 30_000 and not options else ("mixed",)
        name = f"polarmp-water {evaluator}{', compiled' if keywords else ''}"
        makers = [(name, p, lambda: of(network_force(numbers, evaluator, **keywords))) for p in precisions]
    return makers, positions, numbers, edge


def worker(platform: str, family: str, atoms: int) -> None:
    from turns import my_turn

    makers, positions, numbers, edge = rows(family, atoms, platform)
    networks = family.startswith("network")
    prepared = []
    for name, precision, make in makers:
        integrator = openmm.VerletIntegrator(1e-6)
        context = None
        start = time.perf_counter()
        try:
            context = context_of(make(), platform, precision, integrator)
            context.setPositions(positions)
            context.computeVirtualSites()
            integrator.step(2)
            wait(context)
        except NotHere as error:
            print(f"not here: {error}", flush=True)
            my_turn()
            return
        except Exception as error:
            print(f"| {atoms} | {name} | {precision} | FAILED {type(error).__name__}: {str(error)[:160]} |", flush=True)
            continue
        print(f"{name} {precision}: first steps after {time.perf_counter() - start:.1f} s", flush=True)
        prepared.append((name, precision, context, integrator))
    my_turn()
    for name, precision, context, integrator in prepared:
        try:
            time_of = milliseconds(context, integrator, SECONDS)
            extra = f"{torch_megabytes()}, " if networks else ""
            print(
                f"| {atoms} | {name} | {precision} | {time_of:.3f} ms | {extra}host {resident_megabytes():.0f} MiB |",
                flush=True,
            )
        except Exception as error:
            print(f"| {atoms} | {name} | {precision} | FAILED {type(error).__name__}: {str(error)[:160]} |", flush=True)
    if networks and atoms <= 30_000 and prepared:
        prepared.clear()
        try:
            moving(platform, family, atoms, positions, numbers, edge)
        except Exception as error:
            print(
                f"| {atoms} | {family} moving | mixed | FAILED {type(error).__name__}: {str(error)[:160]} |", flush=True
            )


def moving(platform: str, family: str, atoms: int, positions, numbers, edge) -> None:
    """Dynamics of 0.5 fs at 300 K."""
    evaluator, *options = family.split("-")[1:]
    integrator = openmm.LangevinMiddleIntegrator(300, 10, 0.0005)
    system = system_of(numbers, edge, network_force(numbers, evaluator, **({"compile": True} if options else {})))
    context = context_of(system, platform, "mixed", integrator)
    context.setPositions(positions)
    context.setVelocitiesToTemperature(300, 1)
    integrator.step(20)
    wait(context)
    times = []
    for _ in range(60):
        start = time.perf_counter()
        integrator.step(1)
        wait(context)
        times.append(1e3 * (time.perf_counter() - start))
    one_by_one = statistics.mean(times)
    start = time.perf_counter()
    integrator.step(100)
    wait(context)
    in_a_row = 10 * (time.perf_counter() - start)
    print(
        f"| {atoms} | polarmp-water {evaluator} moving | mixed | {in_a_row:.3f} ms | one by one {one_by_one:.3f}, median {statistics.median(times):.3f}, longest {max(times):.3f} |",
        flush=True,
    )


def copy_speed() -> None:
    import torch

    if not torch.cuda.is_available():
        return
    x = torch.empty(2**28, device="cuda")
    y = torch.empty_like(x)
    for times in (3, 20):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(times):
            y.copy_(x)
        torch.cuda.synchronize()
        spent = time.perf_counter() - start
    print(f"case device-to-device copy {times * 2 * x.numel() * 4 / spent / 1e12:.2f} TB/s", flush=True)


def main(platform: str, sizes: list[int]) -> int:
    from turns import run

    print(f"{card()}; {versions()}; platform {platform}", flush=True)
    here = os.path.abspath(__file__)

    def command(family, n):
        return (f"{family} {n}", [sys.executable, here, "--worker", platform, family, str(n)], {})

    middle_first = sorted(sizes, key=lambda n: (n > 200_000, abs(n - 24_000)))
    early, late = [], []
    for n in middle_first:
        large = n > 200_000
        early.append(command("electrostatics", n))
        for evaluator in ("native", "torch"):
            (late if large else early).append(command(f"network-{evaluator}", n))
        early.append(command("pme", n))
        if n <= AMOEBA_LIMIT:
            early.append(command("amoeba", n))
    if os.environ.get("POLARMP_GPU_COMPILE"):
        early += [command("network-torch-compile", n) for n in middle_first if n <= 30_000]
    print("| atoms | what | precision | a step | |\n|---|---|---|---|---|")
    started = time.time()
    bad = run(early, prepare_s=float(os.environ.get("POLARMP_GPU_PREPARE", 45)), each_s=12)
    copy_speed()
    for one in late:  # they fill the GPU's memory: never two at a time
        bad += run([one], prepare_s=30, each_s=15)
    print(f"{card()} (clocks after the work)")
    print(
        f"RESULT {len(early) + len(late) - bad} of {len(early) + len(late)} families measured in {time.time() - started:.0f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        worker(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        sys.exit(
            main(
                sys.argv[1] if len(sys.argv) > 1 else "CUDA",
                [int(a) for a in sys.argv[2:]] or [3000, 24000, 100000, 1000000],
            )
        )
