"""What the reporters write is what the getters say."""

import io
from itertools import pairwise

import numpy as np
import openmm
import pytest
from openmm import app, unit
from support.models import tiny_model
from support.simulations import water_system
from support.systems import force_in
from support.water import water

from openmm_polarmp import units
from openmm_polarmp.analysis import read_columns
from openmm_polarmp.reporters import DipoleReporter, MultipoleFile, MultipoleReporter, PolarizabilityReporter
from openmm_polarmp.reporters.columns import CHARGE_COLUMNS, DIPOLE_COLUMNS, MEAN_COLUMN, POLARIZATION_COLUMNS


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def simulate(model, reporters, periodic=True, steps=6, platform="CPU"):
    topology, system, positions = water_system(4, periodic, model, bonds=False)
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName(platform)
    )
    simulation.context.setPositions(positions)
    simulation.reporters += reporters
    simulation.step(steps)
    return simulation, force_in(system)


def test_multipoles_are_those_of_the_getters(model, tmp_path):
    reporter = MultipoleReporter(tmp_path / "m", 2, chunk=2)
    simulation, force = simulate(model, [reporter])
    reporter.flush()
    file = MultipoleFile(tmp_path / "m")
    chunks = list(file.chunks())
    assert [c["step"].tolist() for c in chunks] == [[2, 4], [6]] and file.damaged is None
    assert file.atomic_numbers.tolist() == [8, 1, 1] * 4
    last, context = chunks[-1], simulation.context
    for name, values in (
        ("charges", force.getCharges(context)),
        ("dipoles", force.getLabFramePermanentDipoles(context)),
        ("induced_dipoles", force.getInducedDipoles(context)),
        ("induced_charges", force.getInducedCharges(context)),
        ("quadrupoles", force.getQuadrupoles(context)),
    ):
        np.testing.assert_allclose(last[name][-1], values, rtol=1e-5, atol=1e-7)
    state = context.getState(positions=True)
    np.testing.assert_allclose(last["positions"][-1], state.getPositions(asNumpy=True)._value, atol=1e-6)


def test_a_damaged_chunk_says_how_much_is_there(model, tmp_path):
    reporter = MultipoleReporter(tmp_path / "m", 1, chunk=2)
    simulate(model, [reporter])
    path = tmp_path / "m" / "chunk-000002.npz"
    path.write_bytes(path.read_bytes()[:200])
    file = MultipoleFile(tmp_path / "m")
    assert sum(len(c["step"]) for c in file.chunks()) == 4
    assert "chunk-000002.npz cannot be read" in file.damaged and "4 reports up to 0.002 ps are there" in file.damaged
    with pytest.raises(ValueError, match="holds a run already; append=True continues it"):
        MultipoleReporter(tmp_path / "m", 1)
    (tmp_path / "m" / "chunk-000002.npz").unlink()
    again = MultipoleReporter(tmp_path / "m", 1, chunk=2, append=True)
    simulate(model, [again], steps=2)
    assert sum(len(c["step"]) for c in MultipoleFile(tmp_path / "m").chunks()) == 6
    with pytest.raises(ValueError, match="nothing was reported there"):
        MultipoleFile(tmp_path)


@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
def test_polarizability(model, periodic):
    out = io.StringIO()
    simulation, force = simulate(model, [PolarizabilityReporter(out, 3)], periodic)
    lines = out.getvalue().splitlines()
    assert len(lines) == 3 and lines[0].startswith("step,time (ps),latent polarizability xx (A^3)")
    found = np.array(lines[-1].split(",")[2:], dtype=float)
    alpha = force.getPolarizabilities(simulation.context).sum(0) / units.POLARIZABILITY_TO_OPENMM
    if not periodic:  # the flow of induced charges, about their own centre
        kappa = force.getSoftness(simulation.context) / units.SOFTNESS_TO_OPENMM
        r = simulation.context.getState(positions=True).getPositions(asNumpy=True).value_in_unit(unit.angstrom)
        arm = r - (kappa[:, None] * r).sum(0) / kappa.sum()
        alpha = alpha + np.einsum("i,ia,ib->ab", kappa, arm, arm)
    expected = units.COULOMB * alpha[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    np.testing.assert_allclose(found[:6], expected, rtol=1e-6)
    chi = 0.0
    if periodic:
        volume = simulation.topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom)
        chi = 4 * np.pi * expected[:3].mean() / np.linalg.det(volume)
    assert found[6] == pytest.approx(1 / (1 + chi), rel=1e-6)  # a model with softness


def test_the_dipole_is_the_sum_of_its_parts(model):
    out = io.StringIO()
    simulation, force = simulate(model, [DipoleReporter(out, 6)], periodic=False)
    numbers = np.array(out.getvalue().splitlines()[-1].split(",")[2:11], dtype=float)
    total = numbers.reshape(3, 3).sum(0)
    charges = force.getCharges(simulation.context) + force.getInducedCharges(simulation.context)
    r = simulation.context.getState(positions=True).getPositions(asNumpy=True)._value
    kappa = force.getSoftness(simulation.context)
    center = kappa @ r / kappa.sum()
    exchanged = force.getInducedCharges(simulation.context).sum() * center
    expected = charges @ r - exchanged + force.getTotalDipoles(simulation.context).sum(0)
    np.testing.assert_allclose(total, expected, rtol=1e-5, atol=1e-7)


def test_the_polarization_of_a_cluster_is_plain(model):
    """sum (q + dq) r, with dq about the centre of softness."""
    out = io.StringIO()
    simulation, force = simulate(model, [DipoleReporter(out, 6)], periodic=False, platform="Reference")
    titles, row = (line.split(",") for line in out.getvalue().splitlines())
    found = np.array([float(row[titles.index(column)]) for column in POLARIZATION_COLUMNS])
    context = simulation.context
    r = context.getState(positions=True).getPositions(asNumpy=True)._value
    kappa = force.getSoftness(context)
    expected = force.getCharges(context) @ r + force.getInducedCharges(context) @ (r - kappa @ r / kappa.sum())
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def joined(topology):
    """The same topology with a bond from each residue to the next."""
    oxygens = [next(residue.atoms()) for residue in topology.residues()]
    for a, b in pairwise(oxygens):
        topology.addBond(a, b)
    return topology


def test_residues_that_a_bond_joins_are_one_molecule(model):
    """Residues of a peptide exchange charge: their dipoles are no dipoles of molecules."""
    out = io.StringIO()
    topology, system, positions = water_system(4, True, model, bonds=False)
    simulation = app.Simulation(
        joined(topology), system, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(positions)
    simulation.reporters.append(DipoleReporter(out, 1, current=False))
    simulation.step(1)
    force, context = force_in(system), simulation.context
    step = force.getStepData(context)
    r = context.getState(positions=True).getPositions(asNumpy=True)._value
    charges, dipoles = step.charges + step.induced_charges, step.dipoles + step.induced_dipoles
    expected = charges @ (r - r.mean(0))
    row = dict(zip(*(line.split(",") for line in out.getvalue().splitlines()), strict=True))
    np.testing.assert_allclose([float(row[c]) for c in DIPOLE_COLUMNS[:3]], expected, rtol=1e-6, atol=1e-9)
    total = np.linalg.norm(expected + dipoles.sum(0)) * units.DEBYE_PER_E_NM
    assert float(row[MEAN_COLUMN]) == pytest.approx(total, rel=1e-6)
    assert float(row[CHARGE_COLUMNS[1]]) == pytest.approx(abs(charges.sum()), abs=1e-7)


@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
def test_reports_change_nothing(model, periodic):
    """The run goes on as without the polarization, and the getters still say what they said."""
    runs = [simulate(model, [DipoleReporter(io.StringIO(), 2, current=c)], periodic) for c in (False, True)]
    positions = [s.context.getState(positions=True).getPositions(asNumpy=True)._value for s, _ in runs]
    np.testing.assert_allclose(positions[0], positions[1], atol=1e-6)
    parameters = [dict(s.context.getParameters()) for s, _ in runs]
    assert parameters[0] == parameters[1]


@pytest.mark.parametrize("make", [DipoleReporter, PolarizabilityReporter])
@pytest.mark.parametrize("nanoseconds", [1.0, 2000.0])
def test_times_of_long_runs_stay_apart(model, make, nanoseconds, tmp_path):
    """Rows of a run that has gone on for so long have equal intervals."""
    path = tmp_path / "x.csv"
    topology, system, positions = water_system(2, False, model)
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(0.0005), openmm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(positions)
    simulation.context.setTime(1000 * nanoseconds)
    simulation.reporters.append(make(path, 1))
    simulation.step(4)
    interval, rows = read_columns(path, ["step"])
    assert interval == pytest.approx(0.0005, rel=1e-2) and rows[:, 0].tolist() == [1, 2, 3, 4]


def test_a_file_is_continued(model, tmp_path):
    path = tmp_path / "d.csv"
    simulate(model, [DipoleReporter(path, 2)], steps=6)
    first = path.read_text().splitlines()
    simulate(model, [DipoleReporter(path, 2, append=True)], steps=4)
    lines = path.read_text().splitlines()
    assert lines[:4] == first and len(lines) == 6
    columns = slice(lines[0].split(",").index(POLARIZATION_COLUMNS[0]), -1)
    # what happened between the two runs is not known
    assert lines[4].split(",")[columns] == first[-1].split(",")[columns]
    with pytest.raises(ValueError, match="with other columns than this reporter writes"):
        simulate(model, [DipoleReporter(path, 2, append=True, current=False)])


@pytest.mark.parametrize("make", [DipoleReporter, PolarizabilityReporter])
def test_a_system_without_the_force(make):
    topology, positions = water(2)
    system = openmm.System()
    for _ in range(6):
        system.addParticle(1.0)
    simulation = app.Simulation(
        topology, system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    simulation.context.setPositions(positions)
    simulation.reporters.append(make(io.StringIO(), 1))
    with pytest.raises(ValueError, match=f"{make.__name__} needs a System with one PolarMPForce; this one has 0"):
        simulation.step(1)
