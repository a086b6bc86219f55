"""Charges to begin with: what they are, held while the rest learns, and then what the head gives."""

import pytest
import torch
from support.ionic import ionic_frames
from support.models import tiny_model

from openmm_polarmp.training import Batch, Structure, train
from openmm_polarmp.training.initial_charges import CHARGE_PER_UNIT, fit_charge_head, fixed_charges, guess_charges

SPECIES = (3, 9, 11, 17)


@pytest.fixture
def members():
    return [Structure.of(frame, 3.5) for frame in ionic_frames(3)]


def charges_of(model, member):
    return model.multipoles(member.positions, member.species, member.cell)[1].charges


def test_they_follow_the_electronegativity_and_are_neutral(members):
    charges = guess_charges(members)
    species = torch.cat([member.species for member in members]).tolist()
    assert sum(charges[z] for z in species) == pytest.approx(0, abs=1e-9)
    assert charges[11] - charges[17] == pytest.approx(CHARGE_PER_UNIT * (3.16 - 0.93))
    members[0].species = torch.full_like(members[0].species, 10)
    assert guess_charges(members[:1]) == {}  # neon: nothing is known


def test_held_charges_are_fixed_and_let_go_again(members):
    model = tiny_model(SPECIES, "qu").double()
    before = charges_of(model, members[0])
    with fixed_charges(model, {11: 0.7, 17: -0.7, 3: 0.2, 9: -0.2}):
        inside = charges_of(model, members[0])
        batch = Batch.of(members[:1])
        model.energy(batch.positions, batch.species, batch.cells, batch=batch.batch).sum().backward()
    table = {11: 0.7, 17: -0.7, 3: 0.2, 9: -0.2}
    expected = torch.tensor([table[z] for z in members[0].species.tolist()], dtype=torch.float64)
    # neutral as they are: the projection on the total charge changes nothing
    torch.testing.assert_close(inside, expected)
    assert torch.equal(charges_of(model, members[0]), before)
    row = model.network.heads.scalars.index("charge")
    gradient = model.network.heads.final.weight.grad
    assert gradient[row].abs().max() == 0 and gradient[0].abs().max() > 0


def test_the_fitted_head_gives_each_element_its_charge(members):
    model = tiny_model(SPECIES, "q").double()
    others = model.network.heads.final.weight.detach().clone()
    fit_charge_head(model, members[:2], guess_charges(members))
    found, species = charges_of(model, members[2]), members[2].species
    for z, charge in guess_charges(members).items():
        assert found[species == z].mean().item() == pytest.approx(charge, abs=0.1)  # the fit keeps its weights small
    row = model.network.heads.scalars.index("charge")
    kept = [i for i in range(len(others)) if i != row]
    assert torch.equal(model.network.heads.final.weight[kept], others[kept])


def test_the_heads_of_pairs_are_held_in_the_first_steps(tmp_path, runs):
    flowing = {"rung": "q+c", "charges": "flow", "formal_charges": {3: 0, 9: 0, 11: 0, 17: 0}}

    def weights(epochs, hold):
        run = f"run-{epochs}-{hold}"
        optimizer = {"epochs": epochs, "ema": 0.0, "hold_charges": hold}
        config = runs.configure(
            tmp_path, data={"validation": 0}, model={**runs.small, **flowing}, optimizer=optimizer, output=run
        )
        network = train(config, quiet=True).model.network
        return [*network.edge_heads.parameters()], network.heads.final.weight

    steps = 3  # of an epoch
    held, other = weights(2, 2 * steps)
    released, _ = weights(2, steps)
    initial, other_initial = weights(1, steps)
    for kept, same, trained in zip(held, initial, released, strict=True):
        assert torch.equal(kept, same)
        assert not torch.equal(kept, trained)
    assert not torch.equal(other, other_initial)
