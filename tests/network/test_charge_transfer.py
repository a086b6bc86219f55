"""sum_j (r_j - r_i)_a dq_j/dr_i,b of charges that depend on their surroundings (theory.md section 6)."""

import math

import numpy as np
import openmm_polarmp._polarmp as extension
import pytest
import torch
from support.networks import CUBIC, THIN, TRICLINIC, Structure, random_model, random_structure, results

from openmm_polarmp import units
from openmm_polarmp.neighbors import neighbor_pairs


def transfer_of(context):
    force = context.getSystem().getForce(0)
    return extension.get_charge_transfer(int(force.this), int(context.this))


def brute_force(model, structure):
    """Of a box repeated until no two paths from one atom to another differ by a box vector: nearest images, atom by atom."""
    heights = 1 / np.linalg.norm(np.linalg.inv(structure.cell), axis=0)
    reach = model.network.config.layers * model.cutoff
    repeats = [math.ceil(2 * reach / height + 1e-9) for height in heights]
    shifts = np.array(list(np.ndindex(*repeats)))
    cell = torch.from_numpy(np.array(repeats)[:, None] * structure.cell)
    r = torch.from_numpy(
        (structure.positions[None] + (shifts @ structure.cell)[:, None]).reshape(-1, 3)
    ).requires_grad_()
    index, images = neighbor_pairs(r.detach(), model.cutoff, cell)
    species = torch.tensor(structure.species * len(shifts))
    charges = model.network(r, species, index, images.double(), cell)[1].charges
    n = len(structure.species)
    transfer = np.empty((n, 3, 3))
    for i in range(n):
        fractional = (r.detach() - r.detach()[i]) @ torch.linalg.inv(cell)
        arms = (fractional - fractional.round()) @ cell
        for a in range(3):
            (slope,) = torch.autograd.grad(arms[:, a] @ charges, r, retain_graph=True)
            transfer[i, a] = slope[i]
    return transfer


@pytest.mark.parametrize(
    "settings", [{"layers": 1}, {"layers": 2}, {"layers": 3}, {"layers": 2, "density_limit": 0.7}], ids=str
)
@pytest.mark.parametrize("cell", [THIN, CUBIC, TRICLINIC], ids=["thin", "cubic", "triclinic"])
def test_equals_the_repeated_box(evaluator, cell, settings):
    if settings not in ({"layers": 1}, {"layers": 2}) and cell is not CUBIC:
        pytest.skip("one box is enough for the third layer and for limited densities")
    structure = random_structure(9 if cell is THIN else 14, cell, closest=1.2)
    model = random_model(**settings, charge_projection=False)
    expected = brute_force(model, structure)
    found = transfer_of(evaluator.context(model, structure))
    assert np.abs(found - expected).max() < evaluator.tolerance * np.abs(expected).max()


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_equals_the_derivative_of_a_cluster_s_dipole(evaluator, layers, projection):
    """dP/dr = q + transfer of charges alone, where sum q r is plain."""
    structure = random_structure(15, None)
    model = random_model(layers=layers, rung="q", charge_projection=projection)
    context = evaluator.context(model, structure)
    found = transfer_of(context)
    charges = results(context)["charges"]
    h = 1e-4 if evaluator.precision == "double" else 1e-2
    for i, b in [(0, 0), (7, 1), (14, 2)]:
        dipoles = []
        for sign in (1, -1):
            positions = structure.positions.copy()
            positions[i, b] += sign * h
            context.setPositions(0.1 * positions)
            dipoles.append(results(context)["charges"] @ (positions - structure.positions[i]))
        slope = (dipoles[0] - dipoles[1]) / (2 * h)
        slope[b] -= charges[i]
        # without the projection the sum of the charges depends on the positions, and the origin lies at the atom
        np.testing.assert_allclose(found[i, :, b], slope, atol=max(1e-6, h) * np.abs(found).max())


def assert_the_field_acts_by_it(context, tolerance):
    """With charges alone the forces are linear in the field."""
    without = results(context)
    expected = without["charges"][:, None, None] * np.eye(3) + transfer_of(context)
    field = np.array([7.0, -4.0, 3.0])  # V/nm
    for axis, value in zip("xyz", field, strict=True):
        context.setParameter(f"polarmp_field_{axis}", value)
    change = (results(context)["forces"] - without["forces"]) / units.FORCE_TO_OPENMM
    expected = np.einsum("a,iab->ib", field / units.FIELD_TO_OPENMM, expected)
    scale = np.abs(without["forces"]).max() / units.FORCE_TO_OPENMM
    assert np.abs(change - expected).max() < 10 * tolerance * scale


@pytest.mark.parametrize("layers", [1, 2])
def test_the_field_acts_by_it(evaluator, layers):
    """Also in a box that is thinner than the network's reach."""
    context = evaluator.context(random_model(layers=layers, rung="q"), random_structure(9, THIN))
    assert_the_field_acts_by_it(context, evaluator.tolerance)


def test_atoms_far_apart_transfer_nothing(evaluator):
    structure = Structure(np.diag([6.0, 7.0, 8.0]), [1, 8, 8], np.diag([20.0, 20.0, 20.0]))
    assert np.abs(transfer_of(evaluator.context(random_model(charge_projection=False), structure))).max() == 0
