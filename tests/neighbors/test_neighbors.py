"""Pairs against a brute-force search over atoms and images, and the list along trajectories."""

import collections
import itertools
import warnings

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from openmm_polarmp.neighbors import NeighborList, neighbor_pairs
from openmm_polarmp.neighbors._search import directed_pairs


def brute_force(positions, cutoff, cell=None):
    """Set of (sender, receiver, shift): every pair of atoms in every image that could matter."""
    if cell is None:
        cell = torch.eye(3, dtype=torch.float64)
        wraps = torch.zeros(len(positions), 3, dtype=torch.long)
        images = wraps[:1]
    else:
        inverse = torch.linalg.inv(cell)
        wraps = torch.floor(positions @ inverse).long()
        reach = (torch.ceil(cutoff * inverse.norm(dim=0)) + 1).long().tolist()
        images = torch.tensor(list(itertools.product(*(range(-n, n + 1) for n in reach))))
    inside = positions - wraps.double() @ cell
    vectors = inside[None, :, None] - inside[:, None, None] + (images.double() @ cell)
    itself = torch.eye(len(positions), dtype=torch.bool)[:, :, None] & (images == 0).all(1)
    i, j, k = ((vectors.square().sum(3) < cutoff**2) & ~itself).nonzero().unbind(1)
    shifts = images[k] + wraps[i] - wraps[j]
    return set(map(tuple, torch.cat([j[:, None], i[:, None], shifts], dim=1).tolist()))


def as_set(index, shifts):
    rows = set(map(tuple, torch.cat([index.T, shifts.long()], dim=1).tolist()))
    assert len(rows) == index.shape[1], "a pair was found twice"
    return rows


CELLS = {
    "cubic": [[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]],
    "thin": [[1.7, 0, 0], [0, 12.0, 0], [0, 0, 5.0]],
    "tiny": [[1.1, 0.2, 0], [0, 1.3, 0.1], [0.3, 0, 1.2]],
    "triclinic": [[8.0, 0, 0], [3.5, 7.0, 0], [-3.0, 3.0, 9.0]],
    "strongly triclinic": [[6.0, 0, 0], [17.0, 6.0, 0], [-23.0, 11.0, 7.0]],
    "left-handed": [[0, 7.0, 0.5], [8.0, 0, 0], [0, 1.0, 9.0]],
    "long": [[3.0, 0, 0], [0, 3.5, 0], [0, 0, 60.0]],
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("cutoff", [0.9, 2.5, 4.7])
def test_boxes(name, cutoff):
    """All shapes, boxes thinner than the cutoff, atoms far outside of the box."""
    cell = torch.tensor(CELLS[name], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for n_atoms in (1, 2, 7, 40):
        if name == "tiny" and n_atoms == 40:
            continue  # half a million pairs
        positions = (5 * torch.rand(n_atoms, 3, generator=generator, dtype=torch.float64) - 2) @ cell
        index, shifts = neighbor_pairs(positions, cutoff, cell)
        assert as_set(index, shifts) == brute_force(positions, cutoff, cell)
        assert (index[1].diff() >= 0).all()


@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0, 300.0])
def test_clusters(spread):
    """From atoms on one spot to atoms out of reach, and flat ones."""
    generator = torch.Generator().manual_seed(1)
    for n_atoms in (1, 2, 60):
        positions = spread * torch.rand(n_atoms, 3, generator=generator, dtype=torch.float64) - 5.0
        for flat in (False, True):
            if flat:
                positions[:, 1] = 2.0
            assert as_set(*neighbor_pairs(positions, 3.0)) == brute_force(positions, 3.0)


@pytest.mark.parametrize("candidates", [1, 1000])
def test_chunks_and_bins_do_not_matter(candidates):
    cell = torch.tensor(CELLS["triclinic"], dtype=torch.float64)
    positions = torch.rand(50, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64) @ cell
    for box in (cell, None):
        expected = brute_force(positions, 3.0, box)
        for bins in (1, 2, 3):
            assert as_set(*directed_pairs(positions, 3.0, box, bins, candidates)) == expected


def test_shifts_give_the_displacements():
    """r_j + shift @ cell - r_i is shorter than the cutoff for the given, unwrapped positions."""
    cell = torch.tensor(CELLS["strongly triclinic"], dtype=torch.float64)
    positions = (9 * torch.rand(30, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 4) @ cell
    index, shifts = neighbor_pairs(positions, 3.0, cell)
    vectors = positions[index[0]] - positions[index[1]] + shifts.double() @ cell
    assert len(vectors) > 0 and (vectors.norm(dim=1) < 3.0).all()


def test_atoms_on_the_box_faces():
    cell = 6.0 * torch.eye(3, dtype=torch.float64)
    corners = torch.tensor(list(itertools.product((0.0, 6.0, -1e-17, 3.0), repeat=3)), dtype=torch.float64)
    corners = corners + 0.3 * torch.arange(len(corners))[:, None] / len(corners)
    assert as_set(*neighbor_pairs(corners, 2.0, cell)) == brute_force(corners, 2.0, cell)


def test_no_atoms():
    index, shifts = neighbor_pairs(torch.zeros(0, 3), 3.0, torch.eye(3))
    assert index.shape == (2, 0) and shifts.shape == (0, 3)


def test_cost_grows_linearly():
    """Candidates looked at per atom are bounded: counted, not timed."""
    counts = []
    original = torch.repeat_interleave

    def counting(repeats, output_size):
        counts.append(int(repeats.sum()))
        return original(repeats, output_size=output_size)

    generator = torch.Generator().manual_seed(0)
    per_atom = []
    for n_atoms in (1000, 8000):
        side = (n_atoms / 0.1) ** (1 / 3)
        positions = side * torch.rand(n_atoms, 3, generator=generator, dtype=torch.float64)
        counts.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "repeat_interleave", counting)
            neighbor_pairs(positions, 4.0, side * torch.eye(3, dtype=torch.float64))
        per_atom.append(sum(counts) / n_atoms)
    assert per_atom[1] < 1.2 * per_atom[0]
    # The half sphere holds 13 atoms; bins of half the cutoff cover at most (5/2)^3 cutoff^3 / 2 = 50, and roundings.
    assert per_atom[1] < 100


class Calls(TorchDispatchMode):
    """Counts torch's operations, those that only look at a tensor in another way left out."""

    def __init__(self):
        super().__init__()
        self.counts = collections.Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if not function.is_view:
            self.counts[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


def test_a_search_waits_for_the_device_twice(monkeypatch):
    """For the number of candidates and that of pairs, as long as the box stays: a GPU idles while the host waits."""
    cell = 12.0 * torch.eye(3, dtype=torch.float64)
    positions = 12 * torch.rand(150, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pairs = NeighborList(3.0, 0.5, cut=False)
    pairs.update(positions, cell)
    read = []
    original = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda tensor: read.append(tensor) or original(tensor))
    with Calls() as calls:
        pairs.rebuild(positions, cell)
    assert len(read) == calls.counts["nonzero"] == 1
    assert calls.counts["_local_scalar_dense"] == calls.counts["bincount"] == 0
    assert calls.counts.total() < 85  # each a launch


@pytest.mark.parametrize("name", ["cubic", "triclinic", "thin", None])
@pytest.mark.parametrize("skin", [0.0, 0.4, 1.5])
def test_list_along_a_trajectory(name, skin):
    """Each step's pairs are exactly those within the cutoff, while atoms diffuse, are wrapped and the box breathes."""
    cell = None if name is None else torch.tensor(CELLS[name], dtype=torch.float64)
    generator = torch.Generator().manual_seed(4)
    positions = torch.rand(25, 3, generator=generator, dtype=torch.float64) @ torch.tensor(CELLS["cubic"]).double()
    pairs = NeighborList(3.0, skin)
    for step in range(40):
        positions = positions + 0.03 * torch.randn(25, 3, generator=generator, dtype=torch.float64)
        if cell is not None:
            if step % 15 == 14:
                cell = 1.01 * cell
            # What an integrator may do at any time: atoms move by whole cells.
            jump = torch.randint(-2, 3, (25, 3), generator=generator).double() @ cell
            positions = positions + jump * (torch.rand(25, 1, generator=generator) < 0.2)
        neighbors = pairs.update(positions, cell)
        got = neighbors.positions
        if cell is not None:
            whole = (positions - got) @ torch.linalg.inv(cell)
            torch.testing.assert_close(whole, whole.round(), rtol=0, atol=1e-9)
        else:
            assert torch.equal(got, positions)
        vectors = got[neighbors.edge_index[0]] - got[neighbors.edge_index[1]]
        if cell is not None:
            vectors = vectors + neighbors.edge_shifts @ cell
        expected = brute_force(got, 3.0, cell)
        if skin > 0:
            assert (vectors.norm(dim=1) < 3.0).all()
        assert as_set(neighbors.edge_index, neighbors.edge_shifts) == expected
    if skin == 0.0:
        assert pairs.builds == 40
    if skin == 0.4:
        assert 3 <= pairs.builds < 40
    if skin == 1.5:
        assert pairs.builds < 20


def test_uncut_pairs_stay_the_same():
    """Without the cut, the pairs between two searches are one object, and hold all that are near."""
    cell = 10.0 * torch.eye(3, dtype=torch.float64)
    positions = 10 * torch.rand(30, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    pairs = NeighborList(3.0, 1.0, cut=False)
    first = pairs.update(positions, cell)
    moved = positions + 0.1
    second = pairs.update(moved, cell)
    assert second.edge_index is first.edge_index
    assert as_set(*first[1:3]) == brute_force(positions, 4.0, cell)
    assert as_set(*second[1:3]) >= brute_force(moved, 3.0, cell)


def test_rebuilds_only_when_needed():
    cell = 10.0 * torch.eye(3, dtype=torch.float64)
    positions = 10 * torch.rand(30, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    pairs = NeighborList(3.0, 1.0)
    pairs.update(positions, cell)
    moved = positions.clone()
    moved[7, 1] += 0.44  # less than 0.8 of half the skin squared: stays
    pairs.update(moved, cell)
    assert pairs.builds == 1
    moved[7, 1] += 10.0  # the same place in the next cell
    pairs.update(moved, cell)
    assert pairs.builds == 1
    moved[7, 1] += 0.07  # 0.51 from the start
    pairs.update(moved, cell)
    assert pairs.builds == 2
    pairs.update(moved, 1.0001 * cell)
    assert pairs.builds == 3
    pairs.update(moved, None)
    assert pairs.builds == 4
    pairs.update(moved[:20], None)
    assert pairs.builds == 5
    pairs.update(moved[:20].float(), None)
    assert pairs.builds == 6


@pytest.mark.parametrize("cut", [True, False])
def test_atoms_that_come_from_beyond_the_skin_meet(cut):
    """The pair was not in the list, and each of the two goes only a little more than half of the skin."""
    skin = 0.8
    apart = 3.0 + skin + 0.001
    pairs = NeighborList(3.0, skin, cut=cut)
    assert pairs.update(torch.tensor([[0.0, 0, 0], [0, 0, apart]])).edge_index.shape[1] == 0
    step = 0.51 * skin
    near = pairs.update(torch.tensor([[0.0, 0, step], [0, 0, apart - step]]))
    assert as_set(near.edge_index, near.edge_shifts) == {(0, 1, 0, 0, 0), (1, 0, 0, 0, 0)}


def test_guess_tells_when_it_was_wrong():
    """The order of calls that a GPU uses: first the pairs, later whether they held."""
    positions = 8 * torch.rand(30, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    pairs = NeighborList(3.0, 0.6)
    pairs.guess(positions)
    assert pairs.guess_holds()
    small = positions + 0.1
    assert as_set(*pairs.guess(small)[1:3]) == brute_force(small, 3.0)
    assert pairs.guess_holds()
    large = positions * 0.8
    assert as_set(*pairs.guess(large)[1:3]) != brute_force(large, 3.0)
    assert not pairs.guess_holds()
    assert as_set(*pairs.rebuild(large)[1:3]) == brute_force(large, 3.0)
    # A list that is nearly used up is searched at once: no work is done in vain.
    nearly = large.clone()
    nearly[0, 0] += 0.29
    pairs.guess(nearly)
    assert pairs.guess_holds() and pairs.builds == 2
    nearly[0, 0] += 0.02
    pairs.guess(nearly)
    assert pairs.guess_holds() and pairs.builds == 3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_positions_that_are_no_numbers(bad):
    positions = torch.rand(5, 3, dtype=torch.float64)
    broken = positions.clone()
    broken[3, 1] = bad
    pairs = NeighborList(3.0)
    with pytest.raises(FloatingPointError):
        pairs.update(broken)
    pairs.update(positions)
    with pytest.raises(FloatingPointError):
        pairs.update(broken)
    pairs.update(positions)


def test_a_search_that_fails_leaves_no_list_behind():
    """Neither for a box without volume nor for positions that are no numbers does the next step take an older list."""
    positions, cell = 6 * torch.rand(12, 3, dtype=torch.float64), 6.0 * torch.eye(3, dtype=torch.float64)
    pairs = NeighborList(3.0)
    pairs.update(positions, cell)
    for _ in range(2):
        with pytest.raises(ValueError, match="box vectors that span a volume are accepted"):
            pairs.update(positions, 0 * cell)
    other = 1.1 * cell
    with pytest.raises(FloatingPointError):
        pairs.update(positions * float("nan"), other)
    assert as_set(*pairs.update(positions, other)[1:3]) == brute_force(positions, 3.0, other)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"cutoff is 0.0; a positive length"):
        NeighborList(0.0)
    with pytest.raises(ValueError, match=r"skin is -0.1; a length"):
        NeighborList(3.0, -0.1)
    positions = torch.rand(5, 3)
    flat = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0]], dtype=torch.float64)
    with pytest.raises(ValueError, match="box vectors that span a volume are accepted"):
        NeighborList(3.0).update(positions, flat)
    with pytest.raises(ValueError, match="box vectors that span a volume are accepted"):
        NeighborList(3.0).update(positions, torch.full((3, 3), float("nan")))


def test_single_precision_positions():
    cell = torch.tensor(CELLS["triclinic"], dtype=torch.float64)
    positions = (torch.rand(40, 3, generator=torch.Generator().manual_seed(7)) @ cell.float()).float()
    neighbors = NeighborList(3.0).update(positions, cell)
    assert neighbors.positions.dtype == neighbors.edge_shifts.dtype == torch.float32
    assert as_set(neighbors.edge_index, neighbors.edge_shifts) == brute_force(positions.double(), 3.0, cell)


def test_gradients_are_not_followed():
    """A list is no part of the graph; nothing warns about it."""
    positions = torch.rand(10, 3, dtype=torch.float64, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        neighbors = NeighborList(3.0).update(positions)
    assert not neighbors.positions.requires_grad


def test_a_collapsed_box_is_refused_before_anything_is_searched():
    positions, cell = torch.rand(24, 3, dtype=torch.float64), 0.2 * torch.eye(3, dtype=torch.float64)
    with pytest.raises(
        ValueError, match=r"box vectors of 0.2, 0.2, 0.2 A, with .* for each of the 24 atoms; at most 3000"
    ):
        neighbor_pairs(positions, 4.0, cell)
    with pytest.raises(ValueError, match="at most 3000 neighbors"):
        neighbor_pairs(positions, 4.0, 0 * cell)
