"""What charge that flows between neighbours adds to a step: ``python -m openmm_polarmp.bench.flows``."""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch

from openmm_polarmp.bench.machine import description
from openmm_polarmp.bench.native import stepper
from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet

# Networks of the size of polarmp-water; the first is what the others are compared with.
MODELS = {
    "charges and dipoles are induced (qu+ka)": {"rung": "qu+ka"},
    "charge flows (qu+ca)": {"rung": "qu+ca"},
    "charge flows and has flowed (qu+ca, charges: flow)": {"rung": "qu+ca", "charges": "flow"},
    "charge has flowed, dipoles are induced (qu+a, charges: flow)": {"rung": "qu+a", "charges": "flow"},
}


def untrained(**settings: Any) -> PolarMPModel:
    """A network for water."""
    torch.manual_seed(0)
    return PolarMPModel(PolarMPNet(NetworkConfig(species=(1, 8), **settings)))


def compare(atoms: int, platform: str, properties: dict[str, str], rounds: int) -> dict[str, tuple[float, float]]:
    """Median time of a step in ms, and the median of its ratio to the first network's in the same round.

    The networks take turns of a few steps: other work on the machine slows all of them.
    """
    steppers = {
        name: stepper(untrained(**settings), atoms, properties, native=True, platform=platform)
        for name, settings in MODELS.items()
    }
    times = [[each.milliseconds(0.0) for each in steppers.values()] for _ in range(rounds)]
    return {
        name: (statistics.median(row[k] for row in times), statistics.median(row[k] / row[0] for row in times))
        for k, name in enumerate(steppers)
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atoms", type=int, nargs="+", default=[3000])
    parser.add_argument("--platform", default="CPU")
    parser.add_argument("--precision", default="single", help="of the platform, where it has several")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20, help="in each of which every network takes a few steps")
    args = parser.parse_args()
    properties = {"Threads": str(args.threads), "Precision": args.precision}
    print(
        f"{description(args.platform, args.precision)}, medians in ms\n\n| network | atoms | step | of the first |\n|---|---|---|---|"
    )
    for atoms in args.atoms:
        for name, (milliseconds, ratio) in compare(atoms, args.platform, properties, args.rounds).items():
            print(f"| {name} | {atoms} | {milliseconds:.2f} | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()
