"""Pairs as tables, derivatives that are gathered, and memory: what a GPU needs."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from openmm_polarmp._cpu_loops import torch_alone
from openmm_polarmp.bench.water_box import water_box
from openmm_polarmp.models.chunks import CHUNK, CHUNKS_FROM, KEPT, atoms_at_once, bytes_per_atom, fitting
from openmm_polarmp.neighbors import NeighborList
from openmm_polarmp.neighbors.table import neighbor_table


class Operations(TorchDispatchMode):
    """Remembers which of torch's operations ran."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(str(function))
        return function(*args, **(kwargs or {}))


def uncut_table(positions, cell, cutoff, mirrors=True):
    pairs = NeighborList(cutoff, 0.5, cut=False).rebuild(positions, cell)
    known = pairs.mirrors if mirrors else None
    return neighbor_table(pairs.edge_index, pairs.edge_shifts, len(positions), ordered=True, mirrors=known)


def weighted_sum(energies, multipoles):
    values = [energies, *(value for _, value in multipoles.members())]
    return sum((torch.cos(torch.arange(v.numel(), dtype=v.dtype)) * v.flatten()).sum() for v in values)


def test_a_list_in_any_order_gives_the_same_table(models):
    atoms = models.structure(n_atoms=12)
    pairs = NeighborList(3.0).rebuild(atoms.positions, atoms.cell)
    shuffled = torch.randperm(pairs.edge_index.shape[1], generator=torch.Generator().manual_seed(0))
    ordered = neighbor_table(pairs.edge_index, pairs.edge_shifts, 12, ordered=True)
    sorted_again = neighbor_table(pairs.edge_index[:, shuffled], pairs.edge_shifts[shuffled], 12)
    for table in (ordered, sorted_again):
        rows = [
            sorted((int(j), *s) for j, s, t in zip(*row, strict=True) if t)
            for row in zip(table.senders, table.shifts.tolist(), table.taken, strict=True)
        ]
        expected = [[] for _ in range(12)]
        for (j, i), shift in zip(pairs.edge_index.T.tolist(), pairs.edge_shifts.tolist(), strict=True):
            expected[i].append((j, *shift))
        assert rows == [sorted(row) for row in expected]


def test_mirror_images_in_a_table(models):
    """From j to i and from i to j, with opposite shifts; twice is where it was; an empty place is its own."""
    atoms = models.structure(n_atoms=12)
    table = uncut_table(atoms.positions, atoms.cell, 3.0)
    mirrors, senders = table.mirrors.flatten(), table.senders.flatten()
    places = torch.arange(len(mirrors))
    receivers = places // table.senders.shape[1]
    taken = table.taken.flatten()
    assert not taken.all() and taken.any()
    assert torch.equal(mirrors[mirrors], places) and torch.equal(mirrors[~taken], places[~taken])
    assert torch.equal(senders[mirrors][taken], receivers[taken])
    shifts = table.shifts.flatten(0, 1)
    assert torch.equal(shifts[mirrors][taken], -shifts[taken])


def test_derivatives_are_gathered_where_mirror_images_are_known(models):
    """The same numbers to second derivatives, and nothing is added up in an order that a GPU would choose."""
    atoms = models.structure(n_atoms=12)
    network = models.make_network(layers=2, zbl=True).eval().requires_grad_(False)
    results, added = [], []
    for mirrors in (True, False):
        table = uncut_table(atoms.positions, atoms.cell, network.cutoff, mirrors)
        positions = atoms.positions.clone().requires_grad_()
        total = weighted_sum(*network.forward_table(positions, atoms.species, table, atoms.cell))
        with Operations() as operations:
            torch.autograd.grad(total, positions, retain_graph=True)
        added.append(
            {"aten.index_add.default", "aten.index_put.default", "aten.scatter_add.default"} & operations.names
        )
        (gradient,) = torch.autograd.grad(total, positions, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), positions)
        results.append((total.detach(), gradient.detach(), second))
    for gathered, scattered in zip(*results, strict=True):
        torch.testing.assert_close(gathered, scattered, rtol=1e-12, atol=1e-12)
    assert not added[0] and added[1]


@pytest.mark.parametrize(
    "options", [{"layers": 1}, {}, {"channels": 64, "message_channels": 32}, {"n_radial": 12, "layers": 3}], ids=str
)
def test_memory_is_what_was_estimated(models, options):
    """Both passes, counted by torch on the CPU: what decides on a GPU, which has no loops in C++, whether all atoms fit."""
    settings = {"channels": 32, "message_channels": 16, "n_radial": 8, "cutoff": 4.5, **options}
    network = models.make_network(**settings).float().eval().requires_grad_(False)
    positions, species, cell = water_box(120)
    table = uncut_table(positions, cell, network.cutoff)
    leaf = positions.requires_grad_()
    with torch_alone(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        total = weighted_sum(*network.forward_table(leaf, species, table, cell.float()))
        torch.autograd.grad(total, leaf)
    now = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    estimated = bytes_per_atom(network.config, table.senders.shape[1])
    assert 0.9 < estimated * len(positions) / peak < 1.6


def test_as_many_atoms_at_once_as_fit(models):
    config = models.make_network(channels=32, message_channels=16).config
    all_of_them = 100_000 * bytes_per_atom(config, 80)
    assert fitting(config, 100_000, 80, 1.01 * all_of_them) == 100_000
    assert fitting(config, 100_000, 80, 1.01 * all_of_them, element_size=8) < 100_000
    part = fitting(config, 100_000, 80, 0.9 * all_of_them)
    assert 1000 < part < 100_000
    assert 100_000 * KEPT * 80 + part * bytes_per_atom(config, 80) <= 0.9 * all_of_them
    assert fitting(config, 100_000, 80, 0.0) == 1000
    weight = torch.zeros(1)
    assert atoms_at_once(config, CHUNKS_FROM - 1, 80, weight) == CHUNKS_FROM - 1
    assert atoms_at_once(config, CHUNKS_FROM, 80, weight) == CHUNK
