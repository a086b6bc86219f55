"""The timing command: its boxes are water, and it prints what it says."""

import sys

import pytest
import torch

from openmm_polarmp.bench import network as benchmark
from openmm_polarmp.bench.water_box import water_box
from openmm_polarmp.neighbors import displacements, neighbor_pairs


@pytest.mark.parametrize("n_atoms", [3, 192, 1000])
def test_water_boxes(n_atoms):
    positions, species, cell = water_box(n_atoms)
    n_molecules = round(n_atoms / 3)
    assert len(positions) == len(species) == 3 * n_molecules
    assert n_molecules / float(torch.linalg.det(cell)) == pytest.approx(0.0334)
    molecules = positions.view(-1, 3, 3)
    bonds = (molecules[:, 1:] - molecules[:, :1]).norm(dim=2)
    torch.testing.assert_close(bonds, torch.full_like(bonds, 0.9572))
    cosines = ((molecules[:, 1] - molecules[:, 0]) * (molecules[:, 2] - molecules[:, 0])).sum(1) / 0.9572**2
    torch.testing.assert_close(torch.rad2deg(torch.acos(cosines)), torch.full_like(cosines, 104.5))
    pairs = neighbor_pairs(positions, 2.5, cell)
    distances = displacements(positions, *pairs, cell).norm(dim=1)
    oxygens = (species[pairs[0]] == 8).all(0)
    assert not oxygens.any() or distances[oxygens].min() > 2.0


def test_variants(monkeypatch, capsys):
    arguments = ["--atoms", "24", "--seconds", "0.01", "--cutoff", "3", "--channels", "4"]
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments, "--tensor-products", "dense", "cuequivariance"])
    benchmark.main()
    rows = capsys.readouterr().out.splitlines()[2:4]
    assert [row.split()[-1] for row in rows] == ["dense", "cuequivariance"]


def test_command(monkeypatch, capsys):
    threads = torch.get_num_threads()
    arguments = ["--atoms", "6", "24", "--seconds", "0.01", "--cutoff", "3", "--channels", "4", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", ["benchmark", *arguments])
    try:
        benchmark.main()
    finally:
        torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == ["atoms", "pairs", "search"]
    for line, n_atoms in zip(lines[2:4], (6, 24), strict=True):
        numbers = [float(x) for x in line.split()]
        assert numbers[0] == n_atoms and len(numbers) == 8
        search, update, forward, backward, step = numbers[2:7]
        assert min(search, update, forward, step) > 0
        assert step == pytest.approx(update + forward + backward, abs=0.02)
