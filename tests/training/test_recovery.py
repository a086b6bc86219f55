"""The method's own claim: charges that nobody labelled come out of energies and forces.

Training begins with guesses from electronegativities, 1.0 e for lithium and -1.4 e for fluorine here; true are 0.4 and -0.4.
"""

import ase.io
import numpy as np
from support.ionic import ionic_frames, known_charges

from openmm_polarmp.models.electronegativity import PAULING, reversed_signs
from openmm_polarmp.training import Structure, TrainingConfig, compare, train


def test_training_recovers_the_charges_of_the_reference(tmp_path):
    ase.io.write(tmp_path / "ions.extxyz", ionic_frames(60))
    settings = {
        "data": {"train": "ions.extxyz", "validation": 8},
        "output": "run",
        "model": {"rung": "q", "cutoff": 4.0, "layers": 1, "l_max": 1, "correlation": 2, "accuracy": 1e-4},
        "optimizer": {"epochs": 25, "learning_rate": 0.01, "hold_charges": 100},
        "seed": 1,
    }
    settings["model"] |= {"channels": 12, "message_channels": 4, "hidden": 24}
    model = train(TrainingConfig.from_dict(settings, tmp_path), quiet=True).model
    frames = ionic_frames(6, seed=99)
    found = compare(model, [Structure.of(frame, model.cutoff) for frame in frames])
    known = np.concatenate([known_charges(frame) for frame in frames])
    # Energies leave the sign of all charges open; the run ends with sodium positive.
    assert 1 - ((found.charges - known) ** 2).sum() / (known**2).sum() > 0.99
    born = found.statistics()["born_charges"]
    assert born["r2"] > 0.95, born
    assert born["count"] == 9 * len(known)


def test_signs_follow_the_electronegativity():
    salt = np.array([11, 17, 11, 17])
    charges = np.array([0.8, -0.8, 0.9, -0.9])
    assert not reversed_signs(salt, charges)
    assert reversed_signs(salt, -charges)
    assert not reversed_signs(np.array([2, 10]), np.array([1.0, -1.0]))  # nothing known of these
    # spot checks against the published scale
    assert (PAULING[8], PAULING[17], PAULING[26], PAULING[53], PAULING[55], PAULING[82]) == (
        3.44,
        3.16,
        1.83,
        2.66,
        0.79,
        2.33,
    )


def test_flipping_all_moments_changes_neither_energy_nor_responses():
    import torch
    from support.models import tiny_model

    model = tiny_model((3, 9, 11, 17)).double()
    for parameter in model.network.heads.final.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    member = Structure.of(ionic_frames(1)[0], model.cutoff)
    before = model.evaluate(member.positions, member.species, member.cell)
    model.network.heads.flip_signs()
    after = model.evaluate(member.positions, member.species, member.cell)
    torch.testing.assert_close(after.energy, before.energy, rtol=1e-12, atol=1e-12)
    for name in ("charges", "dipoles", "quadrupoles"):
        torch.testing.assert_close(
            getattr(after.multipoles, name), -getattr(before.multipoles, name), rtol=1e-12, atol=1e-12
        )
    for name in ("softness", "polarizability"):
        assert torch.equal(getattr(after.multipoles, name), getattr(before.multipoles, name))
