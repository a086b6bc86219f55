"""Runs in which a quantity does not exist: the reporters leave its column out and say so once, the getters name it."""

import warnings
from dataclasses import replace

import numpy as np
import openmm
import pytest
from openmm import app
from support.models import tiny_model
from support.systems import CUBIC, constrained_force, make_force, make_system, random_atoms
from support.water import water

from openmm_polarmp import PolarMPForce
from openmm_polarmp._polarizability import system_polarizability
from openmm_polarmp.analysis import read_columns
from openmm_polarmp.cli import main
from openmm_polarmp.reporters import DipoleReporter, PolarizabilityReporter
from openmm_polarmp.reporters.columns import (
    BORN_COLUMN,
    DIPOLE_COLUMNS,
    POLARIZABILITY_COLUMNS,
    POLARIZATION_COLUMNS,
    SCALE_COLUMN,
)

FREE = "in a periodic box with a total charge constraint or a Fermi level charge moves any distance"
STRONG = "with chi of 1 or more a response in one step would screen more than a whole field"


def equilibrated():
    """Water whose charges follow from electronegativities."""
    topology, positions = water(4)
    numbers = [atom.element.atomic_number for atom in topology.atoms()]
    force = PolarMPForce(tiny_model(rung="qeq"), atomic_numbers=numbers, precision="double")
    force.setNonbondedMethod(PolarMPForce.PME)
    return topology, force, positions, 10 * topology.getPeriodicBoxVectors()[0][0]._value * np.eye(3)


def of_atoms(atoms, force):
    topology = app.Topology()
    residue = topology.addResidue("X", topology.addChain())
    for _ in range(len(atoms)):
        topology.addAtom("X", app.Element.getBySymbol("Na"), residue)
    return topology, force, 0.1 * atoms.positions, atoms.cell


def in_a_reservoir():
    atoms = random_atoms(12, CUBIC)
    force = constrained_force(atoms)
    force.setFermiLevel(100.0)
    return of_atoms(atoms, force)


def strongly_polarizable():
    """In one step, with chi above 1."""
    atoms = random_atoms(40, CUBIC).without("softness")
    return of_atoms(atoms, make_force(atoms))


def simulation(case):
    topology, force, positions, cell = case()
    system = make_system(len(positions), cell, force)
    topology.setPeriodicBoxVectors(system.getDefaultPeriodicBoxVectors())
    run = app.Simulation(
        topology, system, openmm.VerletIntegrator(1e-5), openmm.Platform.getPlatformByName("Reference")
    )
    run.context.setPositions(positions)
    return run, force


def warnings_of(run, reporters, steps):
    run.reporters += reporters
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        run.step(steps)
    return [str(w.message) for w in found]


@pytest.mark.parametrize("case", [equilibrated, in_a_reservoir])
def test_charge_that_moves_any_distance(case, tmp_path):
    run, force = simulation(case)
    dipoles, polarizabilities = tmp_path / "d.csv", tmp_path / "p.csv"
    reporters = [DipoleReporter(dipoles, 1), PolarizabilityReporter(polarizabilities, 1)]
    assert warnings_of(run, reporters, 3) == [
        f"DipoleReporter leaves out the polarization of charges and the f-sum: {FREE} and has no unique polarization",
        f"PolarizabilityReporter leaves out the polarizability: {FREE} and has no unique polarization",
    ]
    assert np.isfinite(read_columns(dipoles, DIPOLE_COLUMNS)[1]).all()
    titles = dipoles.read_text().splitlines()[0]
    assert not any(title in titles for title in (*POLARIZATION_COLUMNS, BORN_COLUMN))
    assert polarizabilities.read_text().splitlines()[0] == f"step,time (ps),{SCALE_COLUMN}"
    assert np.isfinite(read_columns(polarizabilities, [SCALE_COLUMN])[1]).all()
    for getter, words in (
        (force.getBornEffectiveCharges, "Born charges are"),
        (force.getPolarizationCurrent, "the polarization current is"),
    ):
        with pytest.raises(ValueError, match=f"^{words} asked for, but {FREE}"):
            getter(run.context)
    with pytest.raises(ValueError, match=f"^the polarizability is asked for, but {FREE}"):
        system_polarizability(force, run.context, np.zeros((12, 3)))


def test_a_response_that_screens_more_than_a_field(tmp_path, capsys):
    run, force = simulation(strongly_polarizable)
    dipoles, polarizabilities = tmp_path / "d.csv", tmp_path / "p.csv"
    reporters = [DipoleReporter(dipoles, 1), PolarizabilityReporter(polarizabilities, 1)]
    reasons = warnings_of(run, reporters, 12)
    assert len(reasons) == 2 and all(STRONG in reason for reason in reasons)
    assert reasons[0].startswith("DipoleReporter leaves out the f-sum: ")
    assert reasons[1].startswith("PolarizabilityReporter leaves out eps_e/eps_inf: ")
    # latent quantities exist
    assert np.isfinite(read_columns(dipoles, [*DIPOLE_COLUMNS, *POLARIZATION_COLUMNS])[1]).all()
    assert np.isfinite(read_columns(polarizabilities, POLARIZABILITY_COLUMNS)[1]).all()
    assert BORN_COLUMN not in dipoles.read_text() and SCALE_COLUMN not in polarizabilities.read_text()
    step = force.getStepData(run.context)
    with pytest.raises(ValueError, match=f"the scale of physical moments is asked for, but {STRONG}"):
        _ = step.field_scale
    assert np.isnan(step.sqrt_eps_e)
    for getter in (force.getBornEffectiveCharges, force.getPolarizationCurrent):
        with pytest.raises(ValueError, match="the scale of physical moments is asked for"):
            getter(run.context)
    # not taken for a file of an earlier version, whose eps_e would follow from chi
    assert main(["dielectric", str(dipoles), "--polarizability", str(polarizabilities), "--eps-inf", "1.78"]) != 0
    assert "lacks eps_e" in capsys.readouterr().err


def test_a_scale_that_is_lost_on_the_way(tmp_path):
    """The box shrinks until chi is above 1: rows without a number instead of an end of the run."""
    atoms = random_atoms(40, CUBIC).without("softness")
    atoms = replace(atoms, cell=1.6 * atoms.cell)
    run, _ = simulation(lambda: of_atoms(atoms, make_force(atoms)))
    dipoles, polarizabilities = tmp_path / "d.csv", tmp_path / "p.csv"
    assert warnings_of(run, [DipoleReporter(dipoles, 1), PolarizabilityReporter(polarizabilities, 1)], 1) == []
    run.context.setPeriodicBoxVectors(*(0.1 * atoms.cell / 1.6))
    run.reporters[0]._reports = 0  # the f-sum is due
    run.step(1)
    for path, column in ((dipoles, BORN_COLUMN), (polarizabilities, SCALE_COLUMN)):
        values = read_columns(path, [column])[1][:, 0]
        assert np.isfinite(values[0]) and np.isnan(values[1])
