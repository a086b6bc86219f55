"""A training step with the loops in C++ and with torch's operations: ``python -m openmm_polarmp.bench.training``."""

from __future__ import annotations

import argparse
import statistics
import time

import ase
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from openmm_polarmp._cpu_loops import torch_alone
from openmm_polarmp.bench.machine import description
from openmm_polarmp.bench.water_box import water_box
from openmm_polarmp.models import NetworkConfig, PolarMPModel, PolarMPNet
from openmm_polarmp.training.config import LossConfig
from openmm_polarmp.training.data.structure import Batch, Structure
from openmm_polarmp.training.loss import TrainingLoss, weights_at

# Networks of the size of polarmp-bio-fast and polarmp-bio.
NETWORKS = {
    "one layer": {"layers": 1, "cutoff": 5.0, "channels": 64, "hidden": 128},
    "two layers": {"layers": 2, "cutoff": 4.5, "channels": 48, "message_channels": 24, "hidden": 96},
}
# Number of structures and of atoms in each.
BATCHES = {"4 clusters of 42 atoms": (4, 42, False), "a box of 192 atoms": (1, 192, True)}


class Step:
    """A training step without the optimizer: the loss of a batch and its derivatives by the weights.

    Parameters
    ----------
    network : str
        Of `NETWORKS`.
    batch : str
        Of `BATCHES`.
    """

    def __init__(self, network: str, batch: str) -> None:
        torch.manual_seed(0)
        config = NetworkConfig(species=(1, 8), rung="qu+a", **NETWORKS[network])  # type: ignore[arg-type]
        model = PolarMPModel(PolarMPNet(config)).float().train()
        self.loss = TrainingLoss(model, LossConfig())
        self.weights = list(model.parameters())
        count, atoms, periodic = BATCHES[batch]
        structures = []
        for seed in range(count):
            positions, species, cell = water_box(atoms, seed)
            frame = ase.Atoms(species.numpy(), positions.numpy(), cell=cell.numpy(), pbc=periodic)
            frame.calc = SinglePointCalculator(frame, energy=0.0, forces=np.zeros((len(frame), 3)))
            structures.append(Structure.of(frame, config.cutoff, torch.float32, seed))
        self.batch = Batch.of(structures, torch.device("cpu"), [1.0] * count)
        self.milliseconds()

    def milliseconds(self) -> float:
        """Time of one step."""
        start = time.perf_counter()
        loss, _ = self.loss(self.batch, weights_at(self.loss.config, 0.0), (0, 0), len(self.batch.structures))
        loss.backward(inputs=self.weights)
        return 1e3 * (time.perf_counter() - start)


def compare(network: str, batch: str, rounds: int) -> tuple[float, float]:
    """Median time of a step in ms, and the median ratio of torch's time to it; both take turns."""
    step = Step(network, batch)
    ours, ratios = [], []
    for _ in range(rounds):
        ours.append(step.milliseconds())
        with torch_alone():
            ratios.append(step.milliseconds() / ours[-1])
    return statistics.median(ours), statistics.median(ratios)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(
        f"{description('CPU')}, {args.threads} threads, medians\n\n| network | batch | ms | torch alone / C++ |\n|---|---|---|---|"
    )
    for network in NETWORKS:
        for batch in BATCHES:
            milliseconds, ratio = compare(network, batch, args.rounds)
            print(f"| {network} | {batch} | {milliseconds:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
