"""Milliseconds of each part of a network's step on a box of water: ``python -m openmm_polarmp.bench.network``."""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from types import SimpleNamespace

import torch

from openmm_polarmp.bench.water_box import water_box
from openmm_polarmp.models import TENSOR_PRODUCTS, NetworkConfig, PolarMPModel, PolarMPNet, load_model
from openmm_polarmp.moments import MOMENTS
from openmm_polarmp.neighbors import NeighborList
from openmm_polarmp.neighbors.table import neighbor_table
from openmm_polarmp.sources.network import DTYPES, TorchSource
from openmm_polarmp.sources.options import PRECISIONS


def buffers_for(positions: torch.Tensor, cell: torch.Tensor, dtype: torch.dtype) -> SimpleNamespace:
    """What a platform gives to `TorchSource.bind`, with random derivatives."""
    n, device = len(positions), positions.device
    buffers = SimpleNamespace(periodic=True, particles=range(n), positions=positions.to(dtype).clone(), cell=cell)
    buffers.energy = torch.zeros(1, dtype=dtype, device=device)
    buffers.forces = torch.zeros(n, 3, dtype=dtype, device=device)
    for moment in MOMENTS:
        setattr(buffers, moment.name, torch.zeros(n, *moment.shape, dtype=dtype, device=device))
        setattr(buffers, moment.gradient, torch.randn(n, *moment.shape, dtype=dtype, device=device))
    return buffers


def measure(function, device: torch.device, seconds: float) -> float:
    """Median in ms, after a first call that does not count.

    Calls follow one another as in a run. For a GPU the host queues a bunch of them and then waits once: what is measured
    is the work of the GPU or of the host, whichever takes longer.
    """

    def bunch(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return 1e3 * (time.perf_counter() - start) / calls

    bunch(1)
    calls = 1 if device.type == "cpu" else max(1, int(100 * seconds / bunch(1)))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        times.append(bunch(calls))
    return statistics.median(times)


def benchmark(
    model: PolarMPModel,
    n_atoms: int,
    precision: str,
    device: torch.device,
    seconds: float,
    compile: bool = False,
    tensor_products: str = "dense",
) -> dict[str, float]:
    """ms of each phase for a box of about ``n_atoms`` atoms, and the number of pairs.

    ``update`` is what a step asks of the pairs while they stay, ``search`` what it does when they change: on a GPU with
    the network's table, which is then made anew (on the CPU it is made in each step's forward pass).
    """
    positions, species, cell = water_box(n_atoms)
    positions = positions.to(device)
    source = TorchSource(model, species.tolist(), precision=precision, compile=compile, tensor_products=tensor_products)
    buffers = buffers_for(positions, cell, DTYPES[precision])
    evaluation = source.bind(buffers)
    on_gpu = device.type == "cuda"
    pairs = NeighborList(model.cutoff, source.skin, cut=not on_gpu)
    moved = 0.01 * torch.randn_like(buffers.positions)

    def update() -> None:
        pairs.update(buffers.positions.add_(moved), cell)
        moved.neg_()

    def search() -> None:
        found = pairs.rebuild(buffers.positions, cell)
        if on_gpu:
            neighbor_table(*found[1:3], len(positions), ordered=True, mirrors=found.mirrors)

    def step() -> None:
        evaluation.forward(True)
        evaluation.backward((0.0, 0.0, 0.0))

    result = {"search": measure(search, device, seconds)}
    result["pairs"] = pairs.update(buffers.positions, cell).edge_index.shape[1]
    result["update"] = measure(update, device, seconds)
    result["forward"] = measure(lambda: evaluation.forward(True), device, seconds) - result["update"]
    result["step"] = measure(step, device, seconds)
    result["backward"] = result["step"] - result["forward"] - result["update"]
    return result


def main() -> None:
    """Print a table for some sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atoms", type=int, nargs="+", default=[192, 3000], help="numbers of atoms (default 192 3000)")
    parser.add_argument("--model", help="a model file or the name of a shipped model (default: an untrained network)")
    parser.add_argument("--rung", default="qu+ka", help="rung of the untrained network (default qu+ka)")
    parser.add_argument("--cutoff", type=float, default=4.5, help="its cutoff, A (default 4.5)")
    parser.add_argument("--layers", type=int, default=2, help="its layers (default 2)")
    parser.add_argument("--channels", type=int, default=32, help="its channels (default 32)")
    parser.add_argument("--message-channels", type=int, default=16, help="its channels of messages (default 16)")
    parser.add_argument("--precision", choices=PRECISIONS, default="single")
    parser.add_argument("--compile", action="store_true", help="also the network through torch.compile")
    parser.add_argument(
        "--tensor-products",
        nargs="+",
        choices=TENSOR_PRODUCTS,
        default=["dense"],
        help="who multiplies (default dense)",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own choice)")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each number (default 2)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    if arguments.model:
        model = load_model(arguments.model)
    else:
        torch.manual_seed(0)
        config = NetworkConfig(
            species=(1, 8),
            rung=arguments.rung,
            cutoff=arguments.cutoff,
            layers=arguments.layers,
            channels=arguments.channels,
            message_channels=arguments.message_channels,
        )
        model = PolarMPModel(PolarMPNet(config))
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__}, {platform.machine()}, {machine}, {arguments.precision} precision, ms")
    columns = ("search", "update", "forward", "backward", "step")
    print(f"{'atoms':>8} {'pairs':>9} " + " ".join(f"{c:>9}" for c in columns) + f" {'us/atom':>9}")
    variants = [(name, compiled) for name in arguments.tensor_products for compiled in range(1 + arguments.compile)]
    for n_atoms in arguments.atoms:
        for name, compiled in variants:
            result = benchmark(model, n_atoms, arguments.precision, device, arguments.seconds, bool(compiled), name)
            numbers = " ".join(f"{result[c]:9.2f}" for c in columns)
            how = f" {name}{', compiled' if compiled else ''}" if len(variants) > 1 else ""
            print(f"{n_atoms:8d} {result['pairs']:9.0f} {numbers} {1e3 * result['step'] / n_atoms:9.1f}{how}")
    print("search: all pairs anew (a few times in a hundred steps); step: update, forward and backward")


if __name__ == "__main__":
    main()
