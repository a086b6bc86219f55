"""Energies of single atoms that leave nothing to remove to the first steps of a training."""

import ase.io
import numpy as np
import pytest
import torch

from openmm_polarmp.models import load_model
from openmm_polarmp.training import Structure
from openmm_polarmp.training.initial_charges import fixed_charges, guess_charges
from openmm_polarmp.training.initial_energies import adapt_single_atoms, fit_single_atoms
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


def test_labels_of_another_level(tmp_path, runs):
    """Energies of single atoms that differ are fitted; an error of the model's own, and frames that do not count, change nothing."""
    frames = ase.io.read(runs.write_data(tmp_path / "ions.extxyz", 12), ":")
    model = build_model(runs.configure(tmp_path), frames)
    members = [Structure.of(frame, model.cutoff) for frame in frames]
    for frame, member in zip(frames, members, strict=True):  # labels that are the model's own
        energy = model.energy(member.positions, member.species, member.cell, total_charge=member.total_charge)
        frame.calc.results["energy"] = energy.item()
    before = dict(model.network.config.energy_shift)
    rng = np.random.default_rng(0)
    for frame in frames:
        frame.calc.results["energy"] += 0.03 * len(frame) * rng.normal()
    frames[3].info["energy_weight"] = 0.0
    frames[3].calc.results["energy"] += 1e5
    assert adapt_single_atoms(model, frames) is None
    assert model.network.config.energy_shift == before
    given = np.array([-300.0 * (frame.numbers == 11).sum() - 500.0 * (frame.numbers == 17).sum() for frame in frames])
    for frame, change in zip(frames, given, strict=True):
        frame.calc.results["energy"] += change
    counting = [i for i in range(len(frames)) if i != 3]
    per_atom = np.array([given[i] / len(frames[i]) for i in counting])
    assert adapt_single_atoms(model, frames) == pytest.approx(np.sqrt(np.mean(per_atom**2)), rel=1e-3)
    shift = model.network.config.energy_shift
    found = [sum((shift[z] - before[z]) * (frame.numbers == z).sum() for z in shift) for frame in frames]
    assert found == pytest.approx(given, abs=0.05 * len(frames[0]))
