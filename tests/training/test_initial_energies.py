"""Energies of single atoms that leave nothing to remove to the first steps of a training."""

import ase.io
import numpy as np
import pytest
import torch

from openmm_polarmp.models import load_model
from openmm_polarmp.training import Structure
from openmm_polarmp.training.initial_charges import fixed_charges, guess_charges
from openmm_polarmp.training.initial_energies import fit_single_atoms
from openmm_polarmp.training.prepare import build_model


def mean_residual(model, members):
    """Of the energies of whole structures, eV."""
    with torch.no_grad(), fixed_charges(model, guess_charges(members)):
        energies = [model.energy(m.positions, m.species, m.cell, total_charge=m.total_charge) for m in members]
    return np.mean([float(e) - float(m.energy) for e, m in zip(energies, members, strict=True)])


def test_the_charges_of_the_first_steps_count(tmp_path, runs):
    frames = ase.io.read(runs.write_data(tmp_path / "ions.extxyz", 12), ":")
    model = build_model(runs.configure(tmp_path), frames)
    members = [Structure.of(frame, model.cutoff) for frame in frames]
    assert abs(mean_residual(model, members)) < 1e-6
    before = dict(model.network.config.energy_shift)
    for frame in frames:
        frame.calc.results["energy"] += 3.0 * (frame.numbers == 11).sum()
    fit_single_atoms(model, frames)
    changes = {z: shift - before[z] for z, shift in model.network.config.energy_shift.items()}
    counts = {z: np.array([(frame.numbers == z).sum() for frame in frames]) for z in changes}
    given = sum(changes[z] * counts[z] for z in changes)
    assert given == pytest.approx(3.0 * counts[11], abs=1e-6)
    model.save(tmp_path / "untrained.polarmp")
    again = load_model(tmp_path / "untrained.polarmp")
    m = members[0]
    expected = model.energy(m.positions, m.species, m.cell).item()
    assert again.energy(m.positions, m.species, m.cell).item() == pytest.approx(expected, abs=1e-9)
