"""Every head under rotation, inversion, permutation and translation, in float64 to 1e-10."""

import os

import pytest
import torch

TOLERANCE = 1e-10

NETWORKS = {
    "default": {},
    "one layer, tensor alpha": {"layers": 1, "polarizability": "tensor"},
    "three layers, tensor alpha": {"layers": 3, "polarizability": "tensor"},
    "scalar messages, three-body": {"l_message": 0, "correlation": 2},
    "l_max 1, density only": {"rung": "qu+ka", "l_max": 1, "correlation": 1},
    "limited densities": {"density_limit": 0.5},
    "charge that flows": {"rung": "quQ+ca", "charges": "flow"},
    "five-body, zbl, state": {"correlation": 4, "zbl": True, "total_charge_input": True, "multiplicity_input": True},
}


def rotate(name: str, value: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """What theory.md says each output does: energies, charges, softness 0e, dipoles 1o, the rest tensors."""
    if value.dim() == 1:
        return value
    return value @ matrix.T if name == "dipoles" else matrix @ value @ matrix.T


def random_rotation(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    return q * torch.linalg.det(q)


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def network(request, models):
    return models.make_network(**request.param)


@pytest.fixture(params=["box", "cluster"])
def atoms(request, models):
    return models.structure(cell=models.triclinic if request.param == "box" else None)


def outputs(models, network, positions, species, cell):
    return models.evaluate(network, positions, species, cell, total_charge=1.0, multiplicity=2)


def close(name, value, expected):
    scale = float(expected.detach().abs().max())
    assert scale > 1e-4, f"{name} is too small to test"
    torch.testing.assert_close(value, expected, rtol=0, atol=TOLERANCE * scale, msg=lambda m: f"{name}: {m}")


@pytest.mark.parametrize("which", ["rotation", "inversion", "reflection and rotation"])
def test_rotations_and_inversion(models, network, atoms, which):
    matrix = -torch.eye(3, dtype=torch.float64) if which == "inversion" else random_rotation(3)
    if which == "reflection and rotation":
        matrix = -matrix
    before = outputs(models, network, atoms.positions, atoms.species, atoms.cell)
    cell = None if atoms.cell is None else atoms.cell @ matrix.T
    after = outputs(models, network, atoms.positions @ matrix.T, atoms.species, cell)
    for name, value in before.items():
        close(name, after[name], rotate(name, value, matrix))


def test_permutation(models, network, atoms):
    order = torch.randperm(len(atoms.species), generator=torch.Generator().manual_seed(1))
    before = outputs(models, network, atoms.positions, atoms.species, atoms.cell)
    after = outputs(models, network, atoms.positions[order], atoms.species[order], atoms.cell)
    for name, value in before.items():
        close(name, after[name], value[order])


def test_translation_and_wrapping(models, network, atoms):
    moved = atoms.positions + torch.tensor([11.3, -7.1, 2.9], dtype=torch.float64)
    if atoms.cell is not None:
        whole = torch.randint(-3, 4, moved.shape, generator=torch.Generator().manual_seed(2))
        moved = moved + whole.double() @ atoms.cell
    before = outputs(models, network, atoms.positions, atoms.species, atoms.cell)
    after = outputs(models, network, moved, atoms.species, atoms.cell)
    for name, value in before.items():
        close(name, after[name], value)


def test_another_description_of_the_same_box(models, network):
    atoms = models.structure()
    # The same lattice with other vectors, one set of them left-handed.
    change = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    assert torch.linalg.det(change) == -1
    before = outputs(models, network, atoms.positions, atoms.species, atoms.cell)
    after = outputs(models, network, atoms.positions, atoms.species, change @ atoms.cell)
    for name, value in before.items():
        close(name, after[name], value)


def test_outputs_differ_between_atoms(models, network, atoms):
    """The checks above would pass for a network that ignores the positions; this one would not."""
    before = outputs(models, network, atoms.positions, atoms.species, atoms.cell)
    squeezed = outputs(models, network, 0.95 * atoms.positions, atoms.species, atoms.cell)
    for name, value in before.items():
        assert (squeezed[name] - value).abs().max() > 1e-3 * value.abs().max(), name
        hydrogens = value[atoms.species == 1]
        assert (hydrogens - hydrogens[0]).abs().max() > 1e-3 * value.abs().max(), name


@pytest.mark.skipif("POLARMP_E3NN" not in os.environ, reason="`make test` runs it, once for the oldest e3nn")
def test_e3nn_is_the_version_that_was_asked_for():
    import e3nn

    assert e3nn.__version__ == os.environ["POLARMP_E3NN"]
