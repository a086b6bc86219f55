"""The search in NumPy against the one in torch, which is tested against brute force."""

import numpy as np
import pytest
import torch

from openmm_polarmp.neighbors import close_pairs, neighbor_pairs

CELLS = {
    "cubic": [[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]],
    "thin": [[1.7, 0, 0], [0, 12.0, 0], [0, 0, 5.0]],
    "tiny": [[1.1, 0.2, 0], [0, 1.3, 0.1], [0.3, 0, 1.2]],
    "strongly triclinic": [[6.0, 0, 0], [17.0, 6.0, 0], [-23.0, 11.0, 7.0]],
    "left-handed": [[0, 7.0, 0.5], [8.0, 0, 0], [0, 1.0, 9.0]],
    "long": [[3.0, 0, 0], [0, 3.5, 0], [0, 0, 60.0]],
    "none": None,
}


def in_order(pairs, distances):
    """Pairs and distances, sorted: the two searches find them in different orders."""
    order = np.lexsort((distances, pairs[1], pairs[0]))
    return np.column_stack([pairs[0], pairs[1], distances])[order]


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("reach", [0.9, 2.5])
def test_same_pairs(name, reach):
    cell = None if CELLS[name] is None else np.array(CELLS[name])
    rng = np.random.default_rng(0)
    for n_atoms in (1, 2, 40, 300):
        if name == "tiny" and n_atoms > 40:
            continue  # millions of pairs
        positions = (5 * rng.random((n_atoms, 3)) - 2) @ (np.eye(3) * 3 if cell is None else cell)
        pairs, distances = close_pairs(positions, reach, cell)
        r, box = torch.tensor(positions), None if cell is None else torch.tensor(cell)
        index, shifts = neighbor_pairs(r, reach, box)
        images = 0 if box is None else shifts.double() @ box
        lengths = (r[index[0]] + images - r[index[1]]).norm(dim=1)
        assert pairs.shape[1] == index.shape[1]
        expected = in_order(index.numpy(), lengths.numpy())
        np.testing.assert_allclose(in_order(pairs, distances), expected, atol=1e-10)


def test_no_atoms():
    pairs, distances = close_pairs(np.zeros((0, 3)), 2.0)
    assert pairs.shape == (2, 0) and distances.shape == (0,)
