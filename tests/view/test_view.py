"""The page and the graphs of a run, from files of known content."""

import base64
import json
import re
import sys

import numpy as np
import openmm
import pytest
from openmm import app, unit
from support.peptide import solvated_dipeptide

from openmm_polarmp import FixedMultipoles, PolarMPForce
from openmm_polarmp.analysis import infrared
from openmm_polarmp.analysis.spectra import C
from openmm_polarmp.cli import main
from openmm_polarmp.commands._spectra import write_curves
from openmm_polarmp.demo.run import water_box
from openmm_polarmp.molecules import Molecules
from openmm_polarmp.reporters import DipoleReporter, MultipoleReporter
from openmm_polarmp.reporters.columns import DIPOLE_COLUMNS, POLARIZABILITY_COLUMNS, VOLUME_COLUMN
from openmm_polarmp.training.log import write_rows
from openmm_polarmp.units import DEBYE_PER_E_NM
from openmm_polarmp.view import Frames, Run, plot, view
from openmm_polarmp.view.bonds import find_bonds
from openmm_polarmp.view.frames import picked, read_frames
from openmm_polarmp.view.graphs import graphs_of
from openmm_polarmp.view.radial import radial_distribution
from openmm_polarmp.view.run import read_table

WATER = np.array([[0, 0, 0], [0.096, 0, 0], [-0.024, 0.093, 0]])
CHARGES = np.array([-0.8, 0.4, 0.4])


def frames_of(positions, numbers, edge=None, charges=None, dipoles=None):
    positions = np.asarray(positions, dtype=float)
    box = None if edge is None else np.broadcast_to(np.eye(3) * edge, (len(positions), 3, 3))
    induced = None if dipoles is None else np.zeros_like(dipoles)
    return Frames(
        np.array(numbers), np.arange(len(positions)), positions, box, charges, dipoles, induced, len(positions)
    )


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """Eight molecules of water with fixed moments, 12 frames."""
    folder = tmp_path_factory.mktemp("run")
    topology = app.Topology()
    chain = topology.addChain()
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*np.eye(3) * 1.2)
    for _ in range(8):
        residue = topology.addResidue("HOH", chain)
        for symbol, mass, name in (("O", 16, "O"), ("H", 1, "H1"), ("H", 1, "H2")):
            topology.addAtom(name, app.Element.getBySymbol(symbol), residue)
            system.addParticle(mass)
    topology.setPeriodicBoxVectors(np.eye(3) * 1.2 * unit.nanometer)
    corners = np.stack(np.meshgrid(*[[0.1, 0.7]] * 3), axis=-1).reshape(-1, 1, 3)
    force = PolarMPForce(FixedMultipoles(charges=np.tile(CHARGES, 8), polarizability=np.full(24, 0.05)))
    force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(1e-4), openmm.Platform.getPlatformByName("CPU")
    )
    simulation.context.setPositions((corners + WATER).reshape(-1, 3))
    simulation.reporters += [
        MultipoleReporter(folder / "moments", 1, chunk=5),
        DipoleReporter(folder / "d.csv", 1),
        app.StateDataReporter(str(folder / "e.csv"), 1, time=True, potentialEnergy=True, temperature=True),
        app.DCDReporter(str(folder / "t.dcd"), 1),
    ]
    simulation.step(12)
    simulation.reporters.clear()
    with open(folder / "start.pdb", "w") as stream:
        app.PDBFile.writeFile(topology, (corners + WATER).reshape(-1, 3) * 10, stream)
    return folder


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.text, re.DOTALL)[1])


def unpacked(packed, shape):
    integers = np.frombuffer(base64.b64decode(packed["values"]), "<i2")
    return (integers * packed["step"]).reshape(shape)


def test_the_page_holds_positions_and_dipoles_of_the_run(run_folder):
    page = view(run_folder)
    data = data_of(page)
    assert data["numbers"] == [8, 1, 1] * 8 and len(data["times"]) == 12
    assert sorted(map(tuple, data["bonds"])) == [(3 * m, 3 * m + h) for m in range(8) for h in (1, 2)]
    positions = unpacked(data["positions"], (12, 8, 3, 3))
    np.testing.assert_allclose(
        positions[0] - positions[0].mean(1, keepdims=True), [WATER - WATER.mean(0)] * 8, atol=1e-3
    )
    name, vectors = data["arrows"][0]["name"], unpacked(data["arrows"][0]["vectors"], (12, 8, 3))
    assert name == "dipoles of molecules"
    table = np.loadtxt(run_folder / "d.csv", delimiter=",", skiprows=1)
    of_the_box = table[:, 2:11].reshape(12, 3, 3).sum(1) * DEBYE_PER_E_NM  # what a DipoleReporter sums up
    np.testing.assert_allclose(vectors.sum(1), of_the_box, atol=1e-3 * np.abs(of_the_box).max())
    for title in ("Potential energy", "Temperature", "Dipoles of molecules", "Charges of atoms", "Infrared spectrum"):
        assert f"<h2>{title}</h2>" in page.text


def test_the_page_needs_no_other_file(run_folder):
    text = view(run_folder).text
    assert "{{" not in text
    assert not re.findall(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=", text)
    assert not re.search(r"\bimport\b|fetch\(|XMLHttpRequest|url\(['\"]?http", text)
    assert re.match(r'<iframe srcdoc="&lt;!DOCTYPE', view(run_folder)._repr_html_())


def test_physical_moments_are_scaled(run_folder):
    latent, physical = (data_of(view(run_folder, eps_e=eps_e)) for eps_e in (1.0, 1.44))
    for get in (lambda d: d["arrows"][0]["vectors"], lambda d: d["charges"]):
        assert get(physical)["step"] == pytest.approx(1.2 * get(latent)["step"], rel=1e-6)
    with pytest.raises(ValueError, match="eps_e is 0"):
        view(run_folder, eps_e=0.0)


def test_the_command(run_folder, tmp_path, capsys):
    page, graphs = tmp_path / "run.html", tmp_path / "run.png"
    assert main(["view", str(run_folder), "--output", str(page), "--plot", str(graphs), "--frames", "4"]) == 0
    assert f"Written to {page}" in capsys.readouterr().out
    assert page.read_text().startswith("<!DOCTYPE html>") and graphs.read_bytes().startswith(b"\x89PNG")
    assert main(["view", str(tmp_path)]) == 1
    assert "without a file of a MultipoleReporter" in capsys.readouterr().err
    assert main(["view", str(tmp_path / "nothing")]) == 1
    assert "the folder that a run's reporters wrote to is accepted" in capsys.readouterr().err


def test_the_missing_extra_is_named(run_folder, monkeypatch, capsys):
    for name in [module for module in sys.modules if module.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["view", str(run_folder)]) == 1
    assert "view needs matplotlib, not installed here: pip install 'openmm-polarmp[plot]'" in capsys.readouterr().err


def test_a_trajectory_without_moments(run_folder, tmp_path):
    """Atoms without arrows, and a note; without a PDB file only a note."""
    (tmp_path / "t.dcd").write_bytes((run_folder / "t.dcd").read_bytes())
    with pytest.raises(ValueError, match="nothing to draw"):
        plot(tmp_path)
    assert "no PDB file" in view(tmp_path).notes[0]
    (tmp_path / "start.pdb").write_bytes((run_folder / "start.pdb").read_bytes())
    page = view(tmp_path)
    assert "No dipoles are shown" in page.notes[0]
    assert data_of(page)["arrows"] == [] and len(data_of(page)["bonds"]) == 16
    with_moments, without = data_of(view(run_folder))["positions"], data_of(page)["positions"]
    np.testing.assert_allclose(unpacked(without, (12, 24, 3)), unpacked(with_moments, (12, 24, 3)), atol=2e-3)


def test_plot_is_a_figure_that_notebooks_show(run_folder):
    figure = plot(run_folder)
    assert figure._repr_png_().startswith(b"\x89PNG")
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:2] == ["Potential energy", "Temperature"] and "Dipoles of molecules" in titles


def test_the_newest_file_is_shown_and_named(run_folder, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes((run_folder / "e.csv").read_bytes())
    run = Run(tmp_path)
    assert run.energies.name == "b.csv" and "2 tables of energies" in run.notes[0]
    assert set(read_table(run.energies)) == {"Time (ps)", "Potential Energy (kJ/mole)", "Temperature (K)"}


@pytest.mark.parametrize("system", ["water", "peptide"])
def test_bonds_are_those_of_the_topology(system):
    """Of an equilibrated box of water, whose molecules cross its faces, and of a peptide in vacuum."""
    if system == "water":
        topology, positions = water_box(32)
        positions, n = positions.value_in_unit(unit.nanometer), 96
        box = np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer))
        positions = positions - np.floor(positions @ np.linalg.inv(box)) @ box
    else:
        topology, positions = solvated_dipeptide()
        n, box = 22, None
    numbers = np.array([atom.element.atomic_number for atom in topology.atoms()][:n])
    bonds = find_bonds(numbers, positions[:n], box)
    expected = {tuple(sorted((a.index, b.index))) for a, b in topology.bonds() if max(a.index, b.index) < n}
    assert expected == set(map(tuple, bonds.tolist()))
    formulas = Molecules(bonds, n).formulas(numbers)
    assert formulas == (["H2O"] * 32 if system == "water" else ["C6H12N2O2"])


def test_molecules_are_whole_with_their_centers_in_the_box():
    edge = 0.8
    torn = (np.array([0.79, 0.4, -0.5]) + WATER) % edge
    frames = frames_of([torn], [8, 1, 1], edge)
    (whole,) = frames.positions
    np.testing.assert_allclose(whole - whole[0], WATER, atol=1e-12)
    assert ((whole.mean(0) >= 0) & (whole.mean(0) < edge)).all()


def test_molecular_dipoles():
    """Sums over groups at once, beside a loop over molecules."""
    rng = np.random.default_rng(2)
    positions = np.concatenate([np.array([1.0 * k, 0, 0]) + WATER for k in range(3)])
    charges, dipoles = rng.normal(size=(1, 9)), rng.normal(size=(1, 9, 3))
    frames = frames_of([positions], [8, 1, 1] * 3, None, charges, dipoles)
    expected = [
        charges[0, atoms] @ (positions[atoms] - positions[atoms].mean(0)) + dipoles[0, atoms].sum(0)
        for atoms in frames.molecules.atoms
    ]
    of_molecules, total = frames.molecular_dipoles()
    np.testing.assert_allclose(of_molecules[0], expected, atol=1e-12)
    np.testing.assert_allclose(total[0], charges.reshape(3, 3).sum(1), atol=1e-12)


def test_pairs_of_independent_points_are_distributed_evenly():
    rng = np.random.default_rng(3)
    frames = frames_of(rng.uniform(0, 2, size=(40, 300, 3)), [18] * 300, 2.0)
    element, r, g = radial_distribution(frames)
    assert element == 18
    np.testing.assert_allclose(g[r > 0.4], 1, atol=0.1)


def test_frames_are_picked_at_equal_intervals():
    assert picked(10, 3, 100).tolist() == list(range(10))
    assert picked(10, 3, 4).tolist() == [0, 3, 6, 9]
    assert picked(1000, 100_000, 100).tolist() == [0, 250, 500, 750]
    with pytest.raises(ValueError, match="frames is 0; a positive integer"):
        read_frames(Run.__new__(Run), 0)


def test_spectra_have_the_lines_of_known_signals(tmp_path):
    """A dipole and a polarizability that swing at 1640 1/cm."""
    time = 0.002 * np.arange(1, 2001)
    swing = np.cos(2 * np.pi * 1640 * C * 1e-12 * time)
    zeros = np.zeros((2000, 8))
    tables = {
        "d.csv": ([*DIPOLE_COLUMNS, VOLUME_COLUMN], np.c_[0.1 * swing, zeros, np.full(2000, 1.9)]),
        "p.csv": (POLARIZABILITY_COLUMNS, np.c_[20 + 0.1 * swing, zeros[:, :5]]),
    }
    for name, (columns, values) in tables.items():
        rows = [
            f"{4 * i},{t:.6g}," + ",".join(f"{x:.9g}" for x in row)
            for i, (t, row) in enumerate(zip(time, values, strict=True))
        ]
        (tmp_path / name).write_text("\n".join([",".join(["step", "time (ps)", *columns]), *rows]) + "\n")
    figure = plot(tmp_path)
    for axis, title in zip(figure.axes, ("Infrared spectrum", "Raman spectrum"), strict=False):
        assert axis.get_title() == title
        x, y = axis.lines[0].get_data()
        assert x[y.argmax()] == pytest.approx(1640, abs=10)
    for name in tables:
        lines = (tmp_path / name).read_text().splitlines(keepends=True)
        (tmp_path / name).write_text("".join(lines[:100]))
    assert [axis.texts[0].get_text() for axis in plot(tmp_path).axes[:2]] == ["too short a run for a spectrum"] * 2


def test_a_damaged_folder_shows_what_is_there(run_folder, tmp_path):
    for path in (run_folder / "moments").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "chunk-000001.npz").write_bytes(b"PK")
    page = view(tmp_path)
    assert "5 reports" in page.notes[0] and len(data_of(page)["times"]) == 5
    assert graphs_of(Run(tmp_path), None) == []


def test_a_training_is_shown_while_it_runs_and_with_its_report(tmp_path):
    rows = [
        {"epoch": e, "loss": 1 / (e + 1), "train_energy": 0.002, "train_forces": 0.1 / (e + 1), "seconds": 1.0}
        for e in range(3)
    ]
    rows[2] |= {"validation_energy": 0.003, "validation_forces": 0.05}
    write_rows(tmp_path / "log.csv", rows)
    page = view(tmp_path)
    assert page.notes == [] and "report.png" not in page.text and "<img" not in page.text
    assert "After epoch 2: train 33.3, validation 50 meV/A." in page.text
    forces = plot(tmp_path).axes[0]
    np.testing.assert_allclose(forces.lines[0].get_xydata(), [[0, 100], [1, 50], [2, 100 / 3]])
    np.testing.assert_allclose(forces.lines[1].get_xydata(), [[2, 50]])
    plot(tmp_path).savefig(tmp_path / "report.png")
    (tmp_path / "report.txt").write_text("errors < 1")
    text = view(tmp_path).text
    assert "<pre>errors &lt; 1</pre>" in text
    picture = re.search(r'<img alt="[^"]*" src="data:image/png;base64,([^"]*)">', text)[1]
    assert base64.b64decode(picture) == (tmp_path / "report.png").read_bytes()


@pytest.mark.parametrize("blocks", [1, 3])
def test_tables_of_spectra_are_drawn_with_their_errors(tmp_path, blocks):
    signals = np.random.default_rng(4).normal(size=(blocks, 400, 3))
    curves = {"n alpha": infrared(iter(signals), 0.002, 2.0, 300.0)}
    write_curves(str(tmp_path / "ir.csv"), curves, 4500.0)
    (axis,) = (axis for axis in plot(tmp_path).axes if axis.get_title() == "Spectrum of ir.csv")
    assert axis.get_ylabel() == f"n alpha ({curves['n alpha'].unit})"
    inside = curves["n alpha"].wavenumber <= 4500
    np.testing.assert_allclose(axis.lines[0].get_ydata(), curves["n alpha"].intensity[inside], rtol=1e-5)
    assert len(axis.collections) == (blocks > 1) and ("Bands are errors" in view(tmp_path).text) == (blocks > 1)
