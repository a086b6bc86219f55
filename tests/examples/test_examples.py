"""Every numbered example runs, in a short form, and prints what it should."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import environment

from openmm_polarmp.hosts import HOSTS

FOLDER = Path(__file__).parents[2] / "examples"
SHORT = {
    "01": (["--molecules", "16", "--steps", "20"], "20 steps of 16 molecules"),
    "02": (["--steps", "5"], "potential energy:"),
    "03": (["--steps", "5"], "peptide"),
    "04": (["--steps", "25"], "g/cm^3"),
    "05": (["--steps", "5"], "their sum, which should vanish:"),
    "06": ([], "dP/dE by a finite field"),
    "07": (["--molecules", "16", "--steps", "400"], "depolarization ratio"),
    "08": (["--frames", "20", "--epochs", "2", "--steps", "5"], "interaction energy after MD:"),
    "09": (["--steps", "5"], "charges:"),
    "10": ([], "Madelung constant of rock salt: 1.74756"),
    "11": (["--steps", "5"], "of the two routes are equal"),
    "12": (["--steps", "20", "--replicas", "2", "--molecules", "16"], "310 K: 20 steps"),
    "13": (["--steps", "20"], "in vacuum: dipole"),
    "14": (["--steps", "160", "--windows", "2", "--edge", "1.3"], "hydration free energy:"),
    "15": (["--frames", "20", "--epochs", "2", "--steps", "5"], "charges after MD, e:"),
    "16": (["--steps", "2", "--edge", "1.4"], "charge of the peptide:"),
    "18": (["--steps", "20"], "1 cap; potential energy"),
    "17": (["--steps", "6", "--beads", "2", "--molecules", "8"], "7 rows; kinetic energy"),
}


def run(path, folder, *arguments):
    """The output of a script in a process of its own, warnings shown."""
    done = subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=folder,
        env=environment(OMP_NUM_THREADS="1", MPLBACKEND="agg"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[0-9]*.py")), ids=lambda p: p.stem)
def test_example(path, tmp_path):
    if path.name.startswith("17"):
        pytest.importorskip("ipi")
    if path.name.startswith("15") and HOSTS["mace"].missing():
        pytest.skip("mace not installed")
    arguments, expected = SHORT[path.name[:2]]
    if "pymbar" in path.read_text():
        pytest.importorskip("pymbar")
    text = run(path, tmp_path, *arguments)
    assert expected in text
    assert len(path.read_text().splitlines()) <= 80
    if path.name.startswith("06"):  # the field's response, computed in two ways
        line = next(line for line in text.splitlines() if line.startswith("dP/dE"))
        by_field, by_alpha = (float(part.split()[0]) for part in line.split(": ")[1:])
        assert by_field == pytest.approx(by_alpha, rel=1e-3)


def test_time_steps(tmp_path):
    text = run(FOLDER / "time_steps.py", tmp_path, "--molecules", "16", "--picoseconds", "0.05", "--only", "6")
    rows = [line for line in text.splitlines() if line.startswith("| flexible")]
    assert (
        len(rows) == 6 and rows[0].startswith("| flexible | 1.008 | 0.25 |") and rows[5].startswith("| flexible | 2 |")
    )
