"""Time of each part of a network's step in torch, on a box of water: ``python -m openmm_polarmp.bench.network``."""

from __future__ import annotations

import argparse
import platform
from types import SimpleNamespace

import torch

from openmm_polarmp.bench.timing import function_milliseconds
from openmm_polarmp.bench.water_box import water_box
from openmm_polarmp.models import TENSOR_PRODUCTS, NetworkConfig, PolarMPModel, PolarMPNet, load_model
from openmm_polarmp.moments import MOMENTS
from openmm_polarmp.neighbors import NeighborList
from openmm_polarmp.neighbors.table import neighbor_table
from openmm_polarmp.sources.network import DTYPES, TorchSource
from openmm_polarmp.sources.options import PRECISIONS


def buffers_for(positions: torch.Tensor, cell: torch.Tensor, dtype: torch.dtype) -> SimpleNamespace:
    """Buffers as a platform passes them to `TorchSource.bind`, with random derivatives."""
    n, device = len(positions), positions.device
    buffers = SimpleNamespace(periodic=True, particles=range(n), positions=positions.to(dtype).clone(), cell=cell)
    buffers.energy = torch.zeros(1, dtype=dtype, device=device)
    buffers.forces = torch.zeros(n, 3, dtype=dtype, device=device)
    for moment in MOMENTS:
        setattr(buffers, moment.name, torch.zeros(n, *moment.shape, dtype=dtype, device=device))
        setattr(buffers, moment.gradient, torch.randn(n, *moment.shape, dtype=dtype, device=device))
    for name in ("local_charges", "flow_polarizability", "flow_charges", "flow_energies"):
        setattr(buffers, name, torch.zeros(n, dtype=dtype, device=device))
    buffers.flow_potential = torch.randn(n, dtype=dtype, device=device)
    return buffers


def benchmark(
    model: PolarMPModel,
    n_atoms: int,
    precision: str,
    device: torch.device,
    seconds: float,
    compile: bool = False,
    tensor_products: str = "dense",
) -> dict[str, float]:
    """Milliseconds of each phase, and the number of pairs.

    ``update`` checks the pairs and is part of every step, ``search`` searches them again: on a GPU it includes the network's
    table of neighbours, which the CPU builds in each step's forward pass.

    Parameters
    ----------
    model : PolarMPModel
        On the device.
    n_atoms : int
        Size of the box of water.
    precision : str
        ``single`` or ``double``.
    device : torch.device
        Where the network is evaluated.
    seconds : float
        Duration of each measurement.
    compile : bool
        Evaluate the network through torch.compile.
    tensor_products : str
        Backend of the tensor products.
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
        neighbors = pairs.rebuild(buffers.positions, cell)
        if on_gpu:
            index, shifts = neighbors.edge_index, neighbors.edge_shifts
            neighbor_table(index, shifts, len(positions), ordered=True, mirrors=neighbors.mirrors)

    def step() -> None:
        evaluation.forward(True)
        if source.has_flows:
            evaluation.flow((0.0, 0.0, 0.0), source.has_conductance)
        evaluation.backward((0.0, 0.0, 0.0))

    result = {"search": function_milliseconds(search, device, seconds)}
    result["pairs"] = pairs.update(buffers.positions, cell).edge_index.shape[1]
    result["update"] = function_milliseconds(update, device, seconds)
    result["forward"] = function_milliseconds(lambda: evaluation.forward(True), device, seconds) - result["update"]
    result["step"] = function_milliseconds(step, device, seconds)
    result["backward"] = result["step"] - result["forward"] - result["update"]
    return result


def main() -> None:
    """Print a table for some sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atoms", type=int, nargs="+", default=[192, 3000], help="numbers of atoms (default 192 3000)")
    parser.add_argument("--model", help="a model file or the name of a shipped model (default: an untrained network)")
    parser.add_argument("--rung", default="qu+ka", help="rung of the untrained network (default qu+ka)")
    parser.add_argument("--cutoff", type=float, default=4.5, help="cutoff of the untrained network, A (default 4.5)")
    parser.add_argument("--layers", type=int, default=2, help="layers of the untrained network (default 2)")
    parser.add_argument("--channels", type=int, default=32, help="channels of the untrained network (default 32)")
    parser.add_argument(
        "--message-channels", type=int, default=16, help="message channels of the untrained network (default 16)"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="single")
    parser.add_argument("--compile", action="store_true", help="also measure the network through torch.compile")
    parser.add_argument(
        "--tensor-products",
        nargs="+",
        choices=TENSOR_PRODUCTS,
        default=["dense"],
        help="backends of the tensor products (default dense)",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="threads of torch (default: chosen by torch)")
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
    print("search: all pairs, a few times in a hundred steps; step: update, forward and backward")


if __name__ == "__main__":
    main()
