"""Trains the water model that ships with the package: `python examples/train_water.py DATA.extxyz OUT.polarmp --minutes 60`.

DATA: frames of one composition with energies and forces, as ase reads them; here the water example of deepmd-kit. The
last 50 frames of a fixed random order are held out. Beside energies and forces one more thing is asked of the model: a
frame that is disturbed violently (atoms thrown, neighbours pulled together, a long step along the forces) must
not have a lower energy than before. Without that a minimizer's first step can find a hole far from all data.
`--evaluate MODEL` prints the errors of a model on the held-out frames.
"""

from __future__ import annotations

import argparse
import copy
import math
import time

import ase.io
import numpy as np
import torch

from openmm_polarmp.models import (
    NetworkConfig,
    PolarMPModel,
    PolarMPNet,
    TrainingRange,
    batched_pairs,
    load_model,
    shipped_models,
)

CUTOFF = 4.5  # A
HELD_OUT = 50
DESCRIPTION = (
    "DFT water: 400 frames of 64 molecules in a box of 12.44 A, the water example of the deepmd-kit repository "
    "(LGPL-3); 350 frames for training, 50 held out"
)


class Frame:
    """One structure in single precision, its pairs of neighbours and its labels."""

    def __init__(self, atoms: ase.Atoms) -> None:
        positions, cell = torch.from_numpy(atoms.positions), torch.from_numpy(np.array(atoms.cell))
        self.edges = batched_pairs(positions, CUTOFF, cell)
        self.positions, self.cell = positions.float(), cell.float()
        self.species = torch.tensor(atoms.numbers)
        self.energy = torch.tensor(atoms.get_potential_energy(), dtype=torch.float64)
        self.forces = torch.tensor(atoms.get_forces(), dtype=torch.float32)

    def predict(self, model: PolarMPModel, train: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Energy (eV) and forces (eV/A)."""
        r = self.positions.clone().requires_grad_(True)
        energy = model.energy(r, self.species, self.cell, edges=self.edges)
        (gradient,) = torch.autograd.grad(energy, r, create_graph=train)
        return energy, -gradient

    def disturbed(self, rng: np.random.Generator) -> torch.Tensor:
        """Violent displacements [N, 3] of up to several A."""
        n, size = len(self.positions), math.exp(rng.uniform(math.log(0.15), math.log(1.6)))
        kind = rng.integers(4)
        if kind == 0:  # everything
            return torch.randn(n, 3) * size * 0.6
        if kind == 1:  # a minimizer's long step
            return self.forces / self.forces.norm() * size * 8
        delta = torch.zeros(n, 3)
        if kind == 2:  # a few atoms
            some = torch.from_numpy(rng.permutation(n)[: rng.integers(1, 20)].copy())
            delta[some] = torch.randn(len(some), 3) * size
            return delta
        senders, receivers = self.edges[0]  # a few pairs pulled together
        pairs = torch.from_numpy(rng.integers(0, len(senders), rng.integers(1, 12)))
        images = self.edges[1][pairs].float() @ self.cell
        apart = self.positions[senders[pairs]] + images - self.positions[receivers[pairs]]
        share = torch.from_numpy(rng.uniform(0.3, 1.0, (len(pairs), 1))).float()
        return delta.index_add_(0, receivers[pairs], 0.9 * share * apart)

    def hole(self, model: PolarMPModel, delta: torch.Tensor) -> torch.Tensor:
        """By how much (eV) a disturbed frame lies below 2 eV/A^2 (0.6 A at most for each atom): far below the truth."""
        r = self.positions + delta
        edges = batched_pairs(r.double(), CUTOFF, self.cell.double())
        energy = model.energy(r, self.species, self.cell, edges=edges)
        bound = (2.0 * delta.norm(dim=1).clamp(max=0.6) ** 2).sum()
        return (bound - (energy - self.energy)).relu()


def errors(model: PolarMPModel, frames: list[Frame]) -> tuple[float, float]:
    """RMSE of the energy (meV/atom) and of the forces (meV/A)."""
    per_atom, squares = [], []
    for frame in frames:
        energy, forces = frame.predict(model, False)
        per_atom.append((energy.item() - frame.energy.item()) / len(frame.positions))
        squares.append(((forces - frame.forces) ** 2).mean().item())
    return 1000 * math.sqrt(np.mean(np.square(per_atom))), 1000 * math.sqrt(np.mean(squares))


def print_errors(model: PolarMPModel, held_out: list[Frame]) -> None:
    energy, force = errors(model, held_out)
    print(f"held out: {energy:.2f} meV/atom, {force:.1f} meV/A")


def range_of(frames: list[Frame]) -> TrainingRange:
    """Shortest distances and largest force of the data."""
    shortest: dict[tuple[int, int], float] = {}
    for frame in frames:
        (senders, receivers), shifts = frame.edges
        r = (frame.positions[senders] + shifts.float() @ frame.cell - frame.positions[receivers]).norm(dim=1)
        for pair in ((1, 1), (1, 8), (8, 8)):
            both = (frame.species[senders] == pair[0]) & (frame.species[receivers] == pair[1])
            shortest[pair] = min(shortest.get(pair, math.inf), float(r[both].min()))
    return TrainingRange(shortest, max(float(f.forces.norm(dim=1).max()) for f in frames))


def train(
    model: PolarMPModel, frames: list[Frame], held_out: list[Frame], minutes: float, rate: float, out: str
) -> None:
    """Adam, one frame a step, cosine schedule over the given time; the running mean of the weights is saved."""
    network, rng = model.network, np.random.default_rng(2)
    n = len(frames[0].positions)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, amsgrad=True)
    mean = copy.deepcopy(model)
    start, step, report = time.time(), 0, 3.0
    while (spent := (time.time() - start) / 60) < minutes:
        frame = frames[rng.integers(len(frames))]
        part = spent / minutes
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 50) * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * part)))
        optimizer.zero_grad()
        energy, forces = frame.predict(model, True)
        loss = ((forces - frame.forces) ** 2).mean() + n * (((energy - frame.energy) / n) ** 2).float()
        loss.backward()
        hole = frame.hole(model, frame.disturbed(rng))
        if hole.item() > 0:
            (3e-4 * torch.log1p(hole)).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        step += 1
        keep = min(0.995, (1 + step) / (10 + step))
        with torch.no_grad():
            for averaged, present in zip(mean.network.parameters(), network.parameters(), strict=True):
                averaged.lerp_(present, 1 - keep)
        if spent > report:
            report = spent + 3
            now = errors(mean, held_out[:10])
            print(f"{spent:5.1f} min, step {step}: held out {now[0]:.2f} meV/atom, {now[1]:.1f} meV/A", flush=True)
            mean.save(out)
    mean.save(out)
    print_errors(mean, held_out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=4e-3, help="learning rate")
    parser.add_argument("--start", help="a model to continue from")
    parser.add_argument("--evaluate", metavar="MODEL", help="print the errors of a model instead of training one")
    options = parser.parse_args()
    torch.manual_seed(1)
    everything = ase.io.read(options.data, ":")
    frames = [everything[i] for i in np.random.default_rng(1).permutation(len(everything))]
    frames, held_out = [Frame(f) for f in frames[:-HELD_OUT]], [Frame(f) for f in frames[-HELD_OUT:]]
    if options.evaluate:
        print_errors(load_model(options.evaluate), held_out)
        return
    if options.out is None or options.out in shipped_models():
        parser.error("OUT: the path of the file to write is missing")
    # One composition says nothing about the two elements apart: both share the mean.
    shift = float(np.mean([f.energy.item() / len(f.positions) for f in frames]))
    config = NetworkConfig(species=(1, 8), rung="quQ+ka", cutoff=CUTOFF, energy_shift={1: shift, 8: shift}, zbl=True)
    model = PolarMPModel(
        PolarMPNet(config),
        accuracy=1e-3,
        training_data=DESCRIPTION,
        licence="LGPL-3.0, as the data",
        training_range=range_of(frames),
    )
    if options.start:
        model.network.load_state_dict(load_model(options.start).network.state_dict())
    train(model, frames, held_out, options.minutes, options.rate, options.out)


if __name__ == "__main__":
    main()
