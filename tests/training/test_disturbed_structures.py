"""Disturbed structures, and the loss they add."""

import numpy as np
import torch
from support.ionic import ionic_frames
from support.models import tiny_model

from openmm_polarmp.training import Batch, Structure
from openmm_polarmp.training.disturbed_structures import disturb, energy_deficits


def test_each_kind_of_disturbance_moves_atoms_and_keeps_pairs_right():
    member = Structure.of(ionic_frames(1, seed=1)[0], 3.0)
    moved_atoms = set()
    for seed in range(40):
        copy, bound = disturb(member, np.random.default_rng(seed), 3.0)
        moved = (copy.positions - member.positions).norm(dim=1)
        moved_atoms.add(int((moved > 0).sum()))
        assert 0 < bound.item() <= 2.0 * 0.6**2 * len(member) + 1e-9
        j, i = copy.edge_index
        apart = copy.positions[j] + copy.edge_shifts @ copy.cell - copy.positions[i]
        assert (apart.norm(dim=1) < 3.0).all()
        every = copy.positions[:, None] - copy.positions[None]
        every = every - 9.0 * torch.round(every / 9.0)
        assert (every.norm(dim=2) < 3.0).sum().item() - len(member) == copy.edge_index.shape[1]
    assert min(moved_atoms) <= 3 and max(moved_atoms) == len(member)  # a few, and all


def test_a_hole_is_what_lies_below_the_bound():
    model = tiny_model((3, 9, 11, 17)).double()
    member = Structure.of(ionic_frames(1, seed=1)[0], model.cutoff)
    seed = (1, 2, 3)
    copy, bound = disturb(member, np.random.default_rng(seed), model.cutoff)
    energy = model.energy(copy.positions, copy.species, copy.cell).item()
    for reference in (energy - 10.0, energy + 10.0):
        member.energy = torch.tensor(reference, dtype=torch.float64)
        found = energy_deficits(model, Batch.of([member, member]), [seed, seed])
        expected = max(0.0, bound.item() - (energy - reference))
        torch.testing.assert_close(found, torch.full((2,), expected, dtype=torch.float64))
        assert (expected > 0) == (reference > energy)
