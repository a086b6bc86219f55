"""Energies of single atoms with which a training begins.

Electrostatics between guessed charges can give an atom an eV. Without it in the energies of single atoms the first steps of
a training would do little but remove it. Where a trained model goes on with labels of another level of theory, the difference
is of hundreds of eV.
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
OTHER_LEVEL = 0.05
"""eV per atom that a model's energies miss on labels of another level of theory: no model is so wrong on those of its own."""
EXPLAINED = 10.0
"""How many times smaller that becomes with other energies of single atoms."""


def fit_single_atoms(model: PolarMPModel, frames: Sequence[ase.Atoms]) -> None:
    """Change the energies of single atoms so that an untrained model's total energies fit the data's best.

    Only the elements of the data are changed. Charges that a network predicts are those of the first steps.
    """
    predicts = model.has_electrostatics and not model.formal_charges and not model.equilibrates_charges
    members = _members(model, frames)
    charges = guess_charges(members) if predicts else {}
    with fixed_charges(model, charges) if charges else nullcontext():
        missing = _missing(model, members)
    _change(model, _fit(members, missing)[1])


def adapt_single_atoms(model: PolarMPModel, frames: Sequence[ase.Atoms]) -> float | None:
    """Change the energies of single atoms of a trained model where the labels are of another level of theory.

    Returns
    -------
    float or None
        By how much the energies missed the labels before, eV per atom; None if nothing was changed.
    """
    members = _members(model, frames)
    missing = _missing(model, members)
    counts, changes = _fit(members, missing)
    per_atom = missing / counts.sum(1)
    left = (missing - counts @ np.array(list(changes.values()))) / counts.sum(1)
    before, after = (float(np.sqrt(np.mean(values**2))) for values in (per_atom, left))
    if before < max(OTHER_LEVEL, EXPLAINED * after):
        return None
    _change(model, changes)
    return before


def _members(model: PolarMPModel, frames: Sequence[ase.Atoms]) -> list[Structure]:
    """Some of the frames, evenly chosen from those whose energies count."""
    dtype = next(model.parameters()).dtype
    counting = [frame for frame in frames if frame.info.get("energy_weight", 1.0) > 0] or list(frames)
    return [Structure.of(frame, model.cutoff, dtype) for frame in counting[:: -(-len(counting) // FRAMES)]]


def _missing(model: PolarMPModel, members: Sequence[Structure]) -> np.ndarray:
    """Labels minus predicted energies, eV."""
    missing = []
    with torch.no_grad():
        for member in members:
            batch = Batch.of([member])
            energy = model.energy(
                batch.positions, batch.species, batch.cells, **batch.options, external_field=batch.external_field
            )
            missing.append(float(member.energy) - float(energy))
    return np.array(missing)


def _fit(members: Sequence[Structure], missing: np.ndarray) -> tuple[np.ndarray, dict[int, float]]:
    """Numbers of atoms of each element in each frame, and the changes (eV) that explain most of what is missing."""
    elements = sorted({int(z) for member in members for z in member.species})
    counts = np.array([[int((member.species == z).sum()) for z in elements] for member in members], dtype=float)
    changes = np.linalg.lstsq(counts, missing, rcond=None)[0].tolist()
    return counts, dict(zip(elements, changes, strict=True))


def _change(model: PolarMPModel, changes: dict[int, float]) -> None:
    network = model.network
    shift = {z: network.config.energy_shift.get(z, 0.0) + changes.get(z, 0.0) for z in network.species}
    network.config = dataclasses.replace(network.config, energy_shift=shift)
    network.constant("energy_shift", torch.tensor(list(shift.values()), dtype=torch.float64), always_float64=True)
