"""Many structures in one call give what single calls give: energies, fields, first and second derivatives."""

import pytest
import torch

from openmm_polarmp.electrostatics import Multipoles, electrostatic_energy

F64 = torch.float64


def join(parts):
    columns = [dict(part.members()) for part in parts]
    return Multipoles(**{name: torch.cat([c[name] for c in columns]) for name in columns[0]})


def derivatives(r, m, cell, **options):
    """Everything that comes out, and the first and second derivatives with respect to the positions."""
    r = r.clone().requires_grad_()
    result = electrostatic_energy(r, m, cell, **options)
    (first,) = torch.autograd.grad(result.energy.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad((first**2).sum(), r)
    per_atom = (result.potential, result.field, result.induced_charges, result.induced_dipoles, first, second)
    return result.energy.detach(), [value.detach() for value in per_atom]


@pytest.mark.parametrize("method", ["auto", "ewald", "pme", "direct"])
def test_structures_of_every_kind(oracle, method):
    """Two boxes share a mesh shape, two do not; clusters of 1, 2 and 7 atoms; the atoms come in any order."""
    boxes = [oracle.cells[name] for name in ("triclinic", "cubic", "left-handed", "triclinic")]
    boxes[3] = boxes[3] + 0.05  # a different cell of the same mesh
    nothing = torch.full((3, 3), float("nan"), dtype=F64)  # a cluster's cell does not matter
    cells, periodic = [boxes[0], nothing, *boxes[1:], nothing, nothing], [True, False, True, True, True, False, False]
    if method == "direct":
        periodic = [False] * 7
    sizes = [9, 7, 4, 6, 9, 1, 2]
    g = torch.Generator().manual_seed(0)
    positions = [torch.rand(n, 3, dtype=F64, generator=g) @ boxes[0] for n in sizes]
    multipoles = [oracle.random_multipoles(n, seed=n + b) for b, n in enumerate(sizes)]
    order = torch.randperm(sum(sizes), generator=g)
    batch = torch.repeat_interleave(torch.arange(7), torch.tensor(sizes))[order]
    options = {"accuracy": 1e-5, "external_field": torch.tensor([0.01, 0.02, -0.05], dtype=F64), "eps_inf": 1.7}
    energy, per_atom = derivatives(
        torch.cat(positions)[order],
        join(multipoles)[order],
        torch.stack(cells),
        batch=batch,
        pbc=torch.tensor(periodic),
        method=method,
        **options,
    )
    assert energy.shape == (7,)
    back = torch.argsort(order)
    for b, box in enumerate(periodic):
        single_energy, single = derivatives(
            positions[b], multipoles[b], cells[b] if box else None, method=method if box else "direct", **options
        )
        assert single_energy.shape == ()
        torch.testing.assert_close(energy[b], single_energy, rtol=1e-11, atol=1e-12)
        for together, alone in zip(per_atom, single, strict=True):
            torch.testing.assert_close(together[back].split(sizes)[b], alone, rtol=1e-9, atol=1e-9)


def test_gradients_by_every_cell(oracle):
    """Each structure's cell gets its own gradient, a cluster's none; one cell for all gets the sum."""
    cell = oracle.cells["triclinic"]
    g = torch.Generator().manual_seed(3)
    r = torch.rand(12, 3, dtype=F64, generator=g) @ cell
    m = oracle.random_multipoles(12)
    batch = torch.arange(12) % 3
    cells = torch.stack([cell, 1.1 * cell, cell]).requires_grad_()
    pbc = torch.tensor([True, True, False])
    energy = electrostatic_energy(r, m, cells, batch=batch, pbc=pbc, method="pme", accuracy=1e-4).energy
    (together,) = torch.autograd.grad(energy.sum(), cells)
    assert not together[2].any()
    for b in (0, 1):
        own = cells[b].detach().clone().requires_grad_()
        single = electrostatic_energy(r[batch == b], m[batch == b], own, method="pme", accuracy=1e-4).energy
        torch.testing.assert_close(together[b], torch.autograd.grad(single, own)[0], rtol=1e-9, atol=1e-11)
    shared = cell.clone().requires_grad_()
    energy = electrostatic_energy(r, m, shared, batch=batch, accuracy=1e-4).energy
    (gradient,) = torch.autograd.grad(energy.sum(), shared)
    repeated = cell.repeat(3, 1, 1).requires_grad_()
    energy = electrostatic_energy(r, m, repeated, batch=batch, accuracy=1e-4).energy
    torch.testing.assert_close(gradient, torch.autograd.grad(energy.sum(), repeated)[0].sum(0), rtol=1e-10, atol=0)


def test_periodicity_is_an_input(oracle):
    """A cluster with a cell, dummy or not, is a cluster; one with pbc is not."""
    r = torch.rand(6, 3, dtype=F64, generator=torch.Generator().manual_seed(1)) * 5
    m = oracle.random_multipoles(6)
    cell = oracle.cells["cubic"]
    alone = electrostatic_energy(r, m).energy
    for dummy in (cell, torch.zeros(3, 3, dtype=F64)):
        torch.testing.assert_close(electrostatic_energy(r, m, dummy, pbc=False).energy, alone, rtol=0, atol=0)
    assert abs(electrostatic_energy(r, m, cell).energy - alone) > 1e-3
    assert electrostatic_energy(r, m, cell, pbc=True).energy == electrostatic_energy(r, m, cell).energy


def test_structures_without_atoms(oracle):
    m = oracle.random_multipoles(3)
    r = torch.rand(3, 3, dtype=F64)
    cells = oracle.cells["cubic"].repeat(3, 1, 1)
    for method in ("ewald", "pme"):
        energy = electrostatic_energy(r, m, cells, batch=torch.tensor([1, 1, 1]), method=method, accuracy=1e-3).energy
        alone = electrostatic_energy(r, m, cells[0], method=method, accuracy=1e-3).energy
        assert energy[0] == 0 and energy[2] == 0 and alone != 0
        torch.testing.assert_close(energy[1], alone, rtol=1e-12, atol=0)
    nothing = Multipoles(torch.zeros(0, dtype=F64))
    assert electrostatic_energy(torch.zeros(0, 3, dtype=F64), nothing).energy == 0
