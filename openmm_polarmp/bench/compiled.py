"""How much faster torch.compile makes networks: ``python -m openmm_polarmp.bench.compiled``.

Both passes of untrained networks on boxes of water, eager and compiled in turns, so that other work on the machine slows
both. An environment has our own network and those hosts whose packages are installed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from openmm_polarmp.bench.network import buffers_for
from openmm_polarmp.bench.timing import function_milliseconds
from openmm_polarmp.bench.water_box import water_box
from openmm_polarmp.hosts import HOSTS, HostedConfig, HostedNet
from openmm_polarmp.hosts.registry import host_module
from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet
from openmm_polarmp.sources.network import DTYPES, TorchSource
from openmm_polarmp.sources.options import PRECISIONS

CUTOFF, NEIGHBORS, RUNG = 4.5, 38.0, "qu+a"
TURNS = 5


def untrained(name: str) -> PolarMPModel:
    """``own`` or a host of default size, with random weights."""
    torch.manual_seed(0)
    species = (1, 8)
    if name == "own":
        return PolarMPModel(PolarMPNet(NetworkConfig(species=species, rung=RUNG, cutoff=CUTOFF)))
    module = host_module(name)
    configuration = module.Settings().configuration(species, CUTOFF, NEIGHBORS, 1.0, 1)
    adapter = module.Adapter(configuration)
    config = HostedConfig(
        host=name,
        host_configuration=configuration,
        species=species,
        cutoff=CUTOFF,
        receptive_field=adapter.receptive_field,
        rung=RUNG,
    )
    return PolarMPModel(HostedNet(config, adapter))


def steps(model: PolarMPModel, atoms: int, precision: str, device: torch.device, compile: bool) -> Callable[[], None]:
    """Both passes on a box of water."""
    positions, species, cell = water_box(atoms)
    source = TorchSource(model, species.tolist(), precision=precision, compile=compile)
    evaluation = source.bind(buffers_for(positions.to(device), cell, DTYPES[precision]))

    def step() -> None:
        evaluation.forward(True)
        evaluation.backward((0.0, 0.0, 0.0))

    return step


def compare(
    model: PolarMPModel, atoms: int, precision: str, device: torch.device, seconds: float
) -> tuple[float, float, float]:
    """Median milliseconds of a step, eager and compiled, and the seconds of the first compiled step."""
    eager, compiled = (steps(model, atoms, precision, device, compile) for compile in (False, True))
    start = time.perf_counter()
    compiled()
    first = time.perf_counter() - start
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for step, values in zip((eager, compiled), times, strict=True):
            values.append(function_milliseconds(step, device, seconds / TURNS))
    return statistics.median(times[0]), statistics.median(times[1]), first


def main(arguments: list[str] | None = None) -> None:
    """Print a table."""
    installed = [name for name, kind in HOSTS.items() if not kind.missing()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["own", *installed], help="default: all that are installed")
    parser.add_argument("--atoms", type=int, nargs="+", default=[192], help="numbers of atoms (default 192)")
    parser.add_argument("--precision", choices=PRECISIONS, default="single")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="threads of torch (default: chosen by torch)")
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each number (default 10)")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {machine}, {options.precision} precision, rung {RUNG}, cutoff {CUTOFF} A\n")
    print("| network | atoms | eager, ms | compiled, ms | ratio | first step, s |\n|---|---|---|---|---|---|")
    for name in options.networks:
        model = untrained(name).to(device)
        for atoms in options.atoms:
            eager, compiled, first = compare(model, atoms, options.precision, device, options.seconds)
            ratio = eager / compiled
            print(f"| {name} | {atoms} | {eager:.1f} | {compiled:.1f} | {ratio:.2f} | {first:.0f} |", flush=True)


if __name__ == "__main__":
    main()
