"""Charges to begin with.

The electrostatic energy is a square in the charges: its gradient vanishes where they do. The small charges of an untrained
network only disturb, so the first steps remove them, and then nothing drives them up again: short-range terms have
learned what charges should explain. (Measured on water: from -0.4 e the charge of oxygen falls to -0.1 e within the first
fifty steps and stays there.) So for the first steps each element has a fixed charge of ordinary size, of the sign that
its electronegativity tells, while the short-range part learns the rest. Then the charge head is fitted to these charges
and set free: from there on energies and forces have the say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.models.heads import CHARGE, LARGEST_CHARGE
from openmm_polarmp.training.data.structure import Batch, Structure
from openmm_polarmp.training.electronegativity import PAULING

PER_UNIT = 0.8
"""e for one unit of Pauling's scale: sodium and chlorine of salt begin at +0.9 and -0.9, near their formal charges."""
RIDGE = 1e-2


def first_charges(structures: Sequence[Structure]) -> dict[int, float]:
    """A charge in e for each element, zero on average; empty if the electronegativities say nothing."""
    species = torch.cat([structure.species for structure in structures]).tolist()
    known = [PAULING[z] for z in species if z in PAULING]
    if not known or max(known) - min(known) < 1e-6:
        return {}
    mean = sum(known) / len(known)
    return {z: PER_UNIT * (mean - PAULING[z]) if z in PAULING else 0.0 for z in sorted(set(species))}


@contextmanager
def held(model: PolarMPModel, charges: dict[int, float]) -> Iterator[None]:
    """The network gives each element this charge."""
    table = torch.zeros(119, dtype=torch.float64)
    for z, charge in charges.items():
        table[z] = charge

    def hold(module, inputs, output):
        energies, multipoles = output
        fixed = table.to(multipoles.charges)[inputs[1]]
        return energies, dataclasses.replace(multipoles, charges=fixed + 0 * multipoles.charges)

    hook = model.network.register_forward_hook(hold)
    try:
        yield
    finally:
        hook.remove()


def fit_charge_head(model: PolarMPModel, structures: Sequence[Structure], charges: dict[int, float]) -> None:
    """Change the last layer of the charge head so that it gives each element its charge, as well as it can."""
    heads = model.network.heads
    features, species = _hidden(model, structures)
    target = torch.tensor([charges.get(z, 0.0) for z in species.tolist()], dtype=features.dtype)
    target = target / torch.sqrt(1 - (target / LARGEST_CHARGE) ** 2)  # what the head's smooth bound shortens
    inputs = torch.cat([features, torch.ones_like(features[:, :1])], 1)
    penalty = RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=inputs.dtype)
    penalty[-1, -1] = 0.0  # the constant is free
    solution = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ (target / CHARGE))
    row = heads.scalars.index("charge")
    with torch.no_grad():
        heads.final.weight[row] = solution[:-1].to(heads.final.weight)
        heads.final.bias[row] = solution[-1].to(heads.final.bias)


def _hidden(model: PolarMPModel, structures: Sequence[Structure]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the last layer of the heads sees of some atoms [n, hidden], and their atomic numbers; on the CPU."""
    seen: list[torch.Tensor] = []
    hook = model.network.heads.final.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    device = model.network.heads.final.weight.device
    try:
        with torch.no_grad():
            for structure in structures:
                batch = Batch.of([structure], device)
                model.multipoles(
                    batch.positions,
                    batch.species,
                    batch.cells,
                    pbc=batch.periodic,
                    batch=batch.batch,
                    total_charge=batch.total_charge,
                    edges=batch.edges,
                )
    finally:
        hook.remove()
    return torch.cat(seen).double().cpu(), torch.cat([s.species for s in structures])
