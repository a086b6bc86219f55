"""The whole step with a network that the plugin evaluates itself, against torch: ``python -m openmm_polarmp.bench.native``."""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from openmm_polarmp import FixedMultipoles, PolarMPForce, _polarmp
from openmm_polarmp.bench.electrostatics import polarmp
from openmm_polarmp.bench.machine import machine
from openmm_polarmp.bench.timing import Stepper
from openmm_polarmp.bench.water_box import empty_system, water_box_nm
from openmm_polarmp.models import NetworkConfig, PolarMPModel, load_model
from openmm_polarmp.models.couplings import components, message_coupling, product_couplings
from openmm_polarmp.sources.native import network_source
from openmm_polarmp.sources.network import TorchSource


def multiply_adds(config: NetworkConfig, neighbors: float) -> float:
    """Multiply-adds of one forward pass for an atom, as the network is defined; the backward pass takes as many.

    Parameters
    ----------
    config : NetworkConfig
        Configuration of the network.
    neighbors : float
        Number of neighbours of an atom within the cutoff.
    """
    c, m, n = config.channels, config.message_channels, config.n_radial
    harmonics = components(config.l_max)
    head_degree = 2 if "Q" in config.rung or config.polarizability == "tensor" else 1 if "u" in config.rung else 0
    weighted = ("u" in config.rung) + ("Q" in config.rung) + (config.polarizability == "tensor")
    total = neighbors * harmonics * n + harmonics * len(config.species) * n * c
    for layer in range(config.layers):
        last = layer + 1 == config.layers
        l_out = head_degree if last else max(config.l_message, head_degree)
        inputs = np.ones(l_out + 1)
        for factors, coupling in enumerate(product_couplings(config.l_max, l_out, config.correlation), start=2):
            total += 2 * len(coupling.value) * c
            inputs += coupling.paths[: l_out + 1]
            if factors < config.correlation:
                total += sum((2 * l + 1) * paths for l, paths in enumerate(coupling.paths)) * c * c
        total += sum((2 * l + 1) * count for l, count in enumerate(inputs)) * c * c + (l_out + 1) * c * c
        if layer > 0:
            parts, coupling = components(config.l_message), message_coupling(config.l_message, config.l_max)
            total += parts * c * m + neighbors * harmonics * n * parts * m + len(coupling.value) * n * m
            total += sum((2 * l + 1) * (1 + paths) for l, paths in enumerate(coupling.paths)) * n * m * c
            total += (2 * harmonics + components(l_out)) * c * c
    return total + config.layers * c * config.hidden + config.hidden * (4 + weighted * c)


def machine_rate(threads: int) -> float:
    """Multiply-adds per second in single precision that a large matrix product reaches here."""
    torch.set_num_threads(threads)
    size = 512
    a = torch.randn(size, size)
    times = []
    for _ in range(300):  # the fastest is not disturbed by other work
        start = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - start)
    return size**3 / min(times)


def stepper(
    model: PolarMPModel,
    atoms: int,
    properties: dict[str, str],
    *,
    native: bool,
    precision: str = "single",
    platform: str = "CPU",
) -> Stepper:
    """A box of water whose network is evaluated natively or by torch."""
    positions, species, edge = water_box_nm(atoms)
    system = empty_system(len(species), edge)
    force = PolarMPForce(FixedMultipoles([0.0]))
    if native:
        weights = {name: value.numpy() for name, value in model.network.state_dict().items()}
        source = network_source(
            model.network.config,
            weights,
            species.tolist(),
            charge_projection=model.charge_projection,
            precision=precision,
        )
        _polarmp.set_network_source(int(force.this), source, "", {})
    else:
        source = TorchSource(model, species.tolist(), precision=precision)
        _polarmp.set_python_source(int(force.this), source, "", {})
    force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    return Stepper(system, positions, platform, properties)


def compare(model: PolarMPModel, atoms: int, threads: int, seconds: float, rounds: int = 5) -> dict[str, float]:
    """Medians in ms of alternating measurements: other work on the machine slows all of them."""
    properties = {"Threads": str(threads)}
    rung = model.rung.word if model.rung is not None else "quQ+ka"
    steppers = {
        "native": stepper(model, atoms, properties, native=True),
        "torch": stepper(model, atoms, properties, native=False),
        "electrostatics": polarmp(atoms, rung, "CPU", properties),
    }
    times: dict[str, list[float]] = {name: [] for name in steppers}
    for _ in range(rounds):
        for name, each in steppers.items():
            times[name].append(each.milliseconds(seconds / rounds))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print a table for some models and sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["polarmp-water", "polarmp-bio-fast", "polarmp-demo-bio"])
    parser.add_argument("--atoms", type=int, nargs="+", default=[192, 3000, 10_000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="of measurement for each number")
    args = parser.parse_args()
    rate = machine_rate(args.threads)
    print(
        f"{machine('cpu')}, {args.threads} threads, {rate * 1e-9:.0f} multiply-adds/ns in a matrix product; medians in ms\n"
    )
    print(
        "| model | atoms | torch | native | times faster | electrostatics | network alone | dense estimate |\n"
        + "|---" * 8
        + "|"
    )
    for name in args.models:
        model = load_model(name)
        neighbors = 0.1002 * 4 / 3 * np.pi * model.cutoff**3
        for atoms in args.atoms:
            times = compare(model, atoms, args.threads, args.seconds)
            dense = 2e3 * atoms * multiply_adds(model.network.config, neighbors) / rate
            native, by_torch, electrostatics = times["native"], times["torch"], times["electrostatics"]
            row = (by_torch, native, by_torch / native, electrostatics, native - electrostatics, dense)
            print(f"| {name} | {atoms} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True)


if __name__ == "__main__":
    main()
