"""The shipped water model, the demo and the README."""

import re
import shlex
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.peptide import solvated_dipeptide

from openmm_polarmp import PolarMPForce, load_model
from openmm_polarmp.demo.run import choose_platform, run_demo, water_box
from openmm_polarmp.mlpotential import PolarMPPotentialImpl
from openmm_polarmp.reporters import DipoleReporter

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("model", ["polarmp-water"])
def test_demo(tmp_path, model, capfd):
    """In a folder whose name has letters that mdtraj's reader does not take; nothing of that reader is printed."""
    (tmp_path / "out").symlink_to(folder := tmp_path / "größe", target_is_directory=True)
    run_demo(str(folder), molecules=32, steps=60, model=model, platform="CPU")
    out, error = capfd.readouterr()
    assert error == "" and "dcdplugin" not in out
    assert "ns/day" in out and "Written to" in out
    _, command, shown, *_ = shlex.split(re.search("Look at it with: (.*?),", out)[1])
    assert command == "view" and Path(shown) == folder
    made = {p.name for p in (tmp_path / "out").iterdir()}
    assert {
        "moments",
        "view.html",
        "water.dcd",
        "energies.csv",
        "dipoles.csv",
        "water.chk",
        "water.png",
        "water.pdb",
    } <= made
    energies = np.loadtxt(tmp_path / "out" / "energies.csv", delimiter=",", skiprows=1)
    assert energies.shape == (60, 5)
    assert np.isfinite(energies).all()
    assert 100 < energies[-20:, 4].mean() < 600
    dipoles = np.loadtxt(tmp_path / "out" / "dipoles.csv", delimiter=",", skiprows=1)
    assert dipoles.shape == (60, 19)
    trajectory = mdtraj.load(str(tmp_path / "out" / "water.dcd"), top=str(tmp_path / "out" / "water.pdb"))
    assert trajectory.n_frames == 60


def test_shipped_model_says_what_it_is():
    model = load_model("polarmp-water")
    assert set(model.species) == {1, 8}
    assert "water" in model.training_data
    assert model.licence == "MIT"
    assert model.training_range.smallest_distances[(1, 8)] < 1.0


def test_the_bio_model_runs_salt_water_and_a_peptide():
    """A picosecond would take a minute; a tenth of one shows a fall into a hole, which is what happened once."""
    topology, positions = solvated_dipeptide(edge=1.4, ion_pairs=1)
    system = MLPotential("polarmp-demo-bio").createSystem(topology)
    integrator = openmm.LangevinMiddleIntegrator(300 * unit.kelvin, 10 / unit.picosecond, 0.5 * unit.femtosecond)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
    simulation.context.setPositions(positions)
    simulation.minimizeEnergy(maxIterations=40)
    simulation.context.setVelocitiesToTemperature(300 * unit.kelvin, 1)
    simulation.step(100)
    r = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    lengths = np.array([np.linalg.norm(r[a.index] - r[b.index]) for a, b in topology.bonds()])
    assert 0.08 < lengths.min() and lengths.max() < 0.18
    model = load_model("polarmp-demo-bio")
    assert model.species == (1, 6, 7, 8, 11, 17) and "GFN2-xTB" in model.training_data and model.licence == "MIT"


def test_dipole_reporter_adds_no_evaluation(tmp_path):
    """And the parts that it writes are those of the getters."""
    topology, positions = water_box(8)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    PolarMPPotentialImpl("polarmp", "polarmp-water").addForces(topology, system, None, 0, evaluator="torch")
    calls = []
    from openmm_polarmp.sources import network as source

    original = source.NetworkEvaluation.forward

    def counted(self, include_gradients):
        calls.append(include_gradients)
        return original(self, include_gradients)

    source.NetworkEvaluation.forward = counted
    try:
        force = PolarMPForce.cast(system.getForce(0))
        integrator = openmm.VerletIntegrator(0.25 * unit.femtosecond)
        simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName("CPU"))
        simulation.context.setPositions(positions)
        simulation.reporters.append(DipoleReporter(str(tmp_path / "dipoles.csv"), 2))
        simulation.step(4)
    finally:
        source.NetworkEvaluation.forward = original
    # A report after the second step serves the third; the one after the fourth would serve a fifth.
    assert len(calls) == 4 + 1
    simulation.reporters.clear()
    rows = np.loadtxt(tmp_path / "dipoles.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(rows[-1, 8:11], force.getInducedDipoles(simulation.context).sum(0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        rows[-1, 5:8], force.getLabFramePermanentDipoles(simulation.context).sum(0), rtol=1e-4, atol=1e-7
    )


def test_readme_code_runs(tmp_path, monkeypatch):
    """Every Python block of the README, one after the other."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


def test_trying_platforms_is_silent(capfd):
    """OpenMM warns of PoCL, which is only looked at here."""
    assert choose_platform() in ("CUDA", "OpenCL", "CPU")
    assert capfd.readouterr() == ("", "")
