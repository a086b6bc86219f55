"""Initial charges of the elements, which are fixed in the first steps of a training.

The electrostatic energy is quadratic in the charges: its gradient vanishes where they do. The small random charges of an
untrained network only add noise, so the first steps remove them, and afterwards nothing makes them grow again: the
short-range terms have learned what charges should explain. (Measured on water: from -0.4 e the charge of oxygen falls to
-0.1 e within the first fifty steps and stays there.) So in the first steps each element has a fixed charge of ordinary
size, with the sign that its electronegativity suggests, while the short-range part learns the rest. Then the charge head
is fitted to these charges and trained with all other weights. Where charge flows from formal charges, the network begins
with such charges by itself (`openmm_polarmp.models.initial_flows`), and the first steps leave the transfers as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from openmm_polarmp.electrostatics import Multipoles
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.models.electronegativity import PAULING
from openmm_polarmp.models.heads import CHARGE
from openmm_polarmp.models.limits import LARGEST_CHARGE
from openmm_polarmp.training.data.structure import Batch, Structure

CHARGE_PER_UNIT = 0.8
"""e for one unit of Pauling's scale: sodium and chlorine in salt begin at +0.9 and -0.9, near their formal charges."""
RIDGE = 1e-2
"""Strength of the ridge penalty in the fit of the charge head."""


def guess_charges(structures: Sequence[Structure]) -> dict[int, float]:
    """A charge in e for each element, zero on average; empty if the electronegativities do not differ."""
    species = torch.cat([structure.species for structure in structures]).tolist()
    known = [PAULING[z] for z in species if z in PAULING]
    if not known or max(known) - min(known) < 1e-6:
        return {}
    mean = sum(known) / len(known)
    return {z: CHARGE_PER_UNIT * (mean - PAULING[z]) if z in PAULING else 0.0 for z in sorted(set(species))}


@contextmanager
def fixed_charges(model: PolarMPModel, charges: dict[int, float]) -> Iterator[None]:
    """Replace the charges that the network predicts by fixed ones (e, by atomic number), as long as the context lasts."""
    table = torch.zeros(119, dtype=torch.float64)
    for z, charge in charges.items():
        table[z] = charge

    def replace(
        module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: tuple[torch.Tensor, Multipoles]
    ) -> tuple[torch.Tensor, Multipoles]:
        energies, multipoles = output
        fixed = table.to(multipoles.charges)[inputs[1]]
        # The predicted charges keep a part in the graph, so that every weight has a gradient.
        charges, flows = fixed + 0 * multipoles.charges, multipoles.flows
        if flows is not None:
            flows = dataclasses.replace(flows, charges=0 * flows.charges, local_charges=charges)
        return energies, dataclasses.replace(multipoles, charges=charges, flows=flows)

    hook = model.network.register_forward_hook(replace)
    try:
        yield
    finally:
        hook.remove()


def fit_charge_head(model: PolarMPModel, structures: Sequence[Structure], charges: dict[int, float]) -> None:
    """Fit the last layer of the charge head to these charges (e, by atomic number) by ridge regression."""
    heads = model.network.heads
    features, species = _hidden(model, structures)
    target = torch.tensor([charges.get(z, 0.0) for z in species.tolist()], dtype=features.dtype)
    target = target / torch.sqrt(1 - (target / LARGEST_CHARGE) ** 2)  # the inverse of the head's smooth bound
    inputs = torch.cat([features, torch.ones_like(features[:, :1])], 1)
    penalty = RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=inputs.dtype)
    penalty[-1, -1] = 0.0  # the constant is free
    solution = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ (target / CHARGE))
    row = heads.scalars.index("charge")
    with torch.no_grad():
        heads.final.weight[row] = solution[:-1].to(heads.final.weight)
        heads.final.bias[row] = solution[-1].to(heads.final.bias)


def _hidden(model: PolarMPModel, structures: Sequence[Structure]) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of the heads' last layer for all atoms [n, hidden], and their atomic numbers; on the CPU."""
    hidden: list[torch.Tensor] = []
    hook = model.network.heads.final.register_forward_pre_hook(lambda module, inputs: hidden.append(inputs[0].detach()))
    device = model.network.heads.final.weight.device
    try:
        with torch.no_grad():
            for structure in structures:
                batch = Batch.of([structure], device)
                model.multipoles(batch.positions, batch.species, batch.cells, **batch.options)
    finally:
        hook.remove()
    return torch.cat(hidden).double().cpu(), torch.cat([s.species for s in structures])
