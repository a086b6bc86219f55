"""The mesh is worth having, and the command that says so runs."""

import torch

from openmm_polarmp.bench import torch_electrostatics


def test_the_mesh_is_faster_from_1000_atoms_on():
    """About ten times; a factor of two stays beyond what a busy machine does to the median of several repeats."""
    mesh, dense = torch_electrostatics.compare(1000, 5e-4, torch.float64, "cpu", ("pme", "ewald"))
    assert dense > 2 * mesh


def test_table(capsys):
    torch_electrostatics.main(["--atoms", "40", "80", "--dense-limit", "40", "--accuracy", "1e-3", "--threads", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert "1 threads" in lines[0] and "float64, accuracy 0.001" in lines[0]
    small, large = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[-2:])
    assert small[0] == "40" and large[0] == "80" and large[2].endswith("(extrapolated)")
    # the dense sum's work grows with the square of the number of atoms
    ratio = float(large[2].split()[0]) / float(small[2])
    assert 2 < ratio < 7  # 4, printed in whole ms
    assert all(float(row[1]) > 0 and float(row[3]) > 0 for row in (small, large))
