"""Sources in torch in an external field: the force of charges that move with the atoms (theory.md section 6)."""

import pytest
import torch
from support.torch_sources import CELL, brute_force_field, fill_gradients, make_atoms, make_buffers, make_model

from openmm_polarmp.electrostatics.moving_charges import _slabs, field_force, mean_wrapped
from openmm_polarmp.neighbors import neighbor_pairs
from openmm_polarmp.sources.network import TorchSource


def field_case(n_atoms, cell, field, **options):
    positions, species = make_atoms(n_atoms, cell)
    model = make_model(**options)
    buffers = make_buffers(positions, cell)
    evaluation = TorchSource(model, species.tolist(), precision="double").bind(buffers)
    forces = []
    for applied in ((0.0, 0.0, 0.0), tuple(field.tolist())):
        evaluation.forward(True)
        evaluation.backward(applied)
        forces.append(buffers.forces.clone())
    return forces[1] - forces[0], brute_force_field(model, positions, species, cell, field)


ORTHORHOMBIC = torch.diag(torch.tensor([9.0, 8.0, 14.0], dtype=torch.float64))
SKEWED = torch.tensor([[9.0, 0, 0], [2.5, 9.0, 0], [-3.0, 2.0, 10.0]], dtype=torch.float64)


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("cell", [ORTHORHOMBIC, SKEWED], ids=["orthorhombic", "triclinic"])
@pytest.mark.parametrize("field", [(0.0, 0.0, 0.3), (0.2, -0.1, 0.25)], ids=str)
def test_force_of_a_field_on_moving_charges(cell, field, projection):
    """Slabs: boxes wider than twice the reach (3 A), against the full Jacobian."""
    field = torch.tensor(field, dtype=torch.float64)
    got, expected = field_case(60, cell, field, layers=1, charge_projection=projection)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11 * float(expected.abs().max()))


def test_force_of_a_field_with_messages():
    """Two layers reach 6 A: a long box is cut along its length only when the field points along it."""
    cell = torch.diag(torch.tensor([4.0, 4.5, 26.0], dtype=torch.float64))
    got, expected = field_case(40, cell, torch.tensor([0.0, 0.0, 0.3], dtype=torch.float64), layers=2)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11 * float(expected.abs().max()))


def test_force_of_a_field_in_a_small_box():
    """Thinner than twice the reach: atom by atom, and says so."""
    field = torch.tensor([0.2, -0.1, 0.25], dtype=torch.float64)
    with pytest.warns(UserWarning, match=r"thinner than twice the reach .* \(6 A\).* one backward pass for every atom"):
        got, expected = field_case(9, CELL, field, layers=2)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11 * float(expected.abs().max()))


def test_field_needs_few_passes():
    """The number of backward passes does not grow with the number of atoms."""
    cell = torch.diag(torch.tensor([15.0, 15.0, 15.0], dtype=torch.float64))
    for n_atoms in (30, 200):
        positions, species = make_atoms(n_atoms, cell, closest=0.5)
        model = make_model(layers=1)
        positions = positions.requires_grad_()
        index, shifts = neighbor_pairs(positions, model.cutoff, cell)
        charges = model.network(positions, species, index, shifts, cell)[1].charges
        passes = []
        charges.register_hook(lambda _, passes=passes: passes.append(1))
        field = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
        field_force(positions, charges, cell, field, reach=3.0, projected=True)
        assert len(passes) == 3 * 2 + 1


@pytest.mark.parametrize(
    ("height", "reach", "n"), [(12.0, 3.0, 2), (9.0, 3.0, 3), (100.0, 3.0, 2), (6.0, 3.0, None), (6.1, 3.0, 61)]
)
def test_number_of_slabs(height, reach, n):
    assert _slabs(height, reach) == n
    if n is not None:  # the reason: half a slab and the reach fit into half of the box
        assert 0.5 / n + reach / height <= 0.5 + 1e-9


def test_mean_displacement_by_sorting():
    s = torch.rand(101, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    differences = s[None, :] - s[:, None]
    torch.testing.assert_close(mean_wrapped(s), (differences - torch.round(differences)).mean(1))


def test_no_field_term_in_a_cluster():
    """A cluster's field is in the moment gradients; the source must not add it again."""
    positions, species = make_atoms(9, CELL)
    buffers = make_buffers(positions)
    fill_gradients(buffers)
    evaluation = TorchSource(make_model(), species.tolist(), precision="double").bind(buffers)
    forces = []
    for field in ((0.0, 0.0, 0.0), (0.3, 0.2, 0.1)):
        evaluation.forward(True)
        evaluation.backward(field)
        forces.append(buffers.forces.clone())
    assert torch.equal(*forces)
