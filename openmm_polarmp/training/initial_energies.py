"""Energies of single atoms with which an untrained model begins.

Electrostatics between guessed charges can give an atom an eV. Without it in the energies of single atoms the first steps of
a training would do little but remove it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext

import ase
import numpy as np
import torch

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.training.data.structure import Batch, Structure
from openmm_polarmp.training.initial_charges import fixed_charges, guess_charges

FRAMES = 100


def fit_single_atoms(model: PolarMPModel, frames: Sequence[ase.Atoms]) -> None:
    """Change the energies of single atoms so that the model's total energies fit the data's best.

    Only the elements of the data are changed. Charges that a network predicts are those of the first steps.
    """
    some = frames[:: -(-len(frames) // FRAMES)]
    dtype = next(model.parameters()).dtype
    members = [Structure.of(frame, model.cutoff, dtype) for frame in some]
    predicts = model.has_electrostatics and not model.formal_charges and not model.equilibrates_charges
    charges = guess_charges(members) if predicts else {}
    residuals = []
    with torch.no_grad(), fixed_charges(model, charges) if charges else nullcontext():
        for member in members:
            batch = Batch.of([member])
            energy = model.energy(
                batch.positions, batch.species, batch.cells, **batch.options, external_field=batch.external_field
            )
            residuals.append(float(member.energy) - float(energy))
    elements = sorted({int(z) for frame in some for z in frame.numbers})
    counts = np.array([[(frame.numbers == z).sum() for z in elements] for frame in some], dtype=float)
    changes = dict(zip(elements, np.linalg.lstsq(counts, np.array(residuals), rcond=None)[0].tolist(), strict=True))
    network = model.network
    shift = {z: network.config.energy_shift.get(z, 0.0) + changes.get(z, 0.0) for z in network.species}
    network.config = dataclasses.replace(network.config, energy_shift=shift)
    network.constant("energy_shift", torch.tensor(list(shift.values()), dtype=torch.float64), always_float64=True)
