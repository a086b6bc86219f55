"""MLPotential('polarmp') with models whose charge flows between neighbours (theory.md section 8)."""

import io

import numpy as np
import openmm
import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.oracle import model_energy_and_forces
from support.platforms import CPU, REFERENCE
from support.systems import energy_and_forces, force_in, relative_error
from support.water import water

from openmm_polarmp import units
from openmm_polarmp.reporters import DipoleReporter, PolarizabilityReporter

FORMAL = {1: 1.0, 8: -2.0}
FIELD = np.array([4.0, -3.0, 9.0])  # V/nm


def flowing(rung: str = "quQ+ca"):
    """An untrained model in which everything that can flow does."""
    model = tiny_model(rung=rung, charges="flow", formal_charges=FORMAL)
    model.network.edge_heads.species_transfer.data *= 20
    return model


def system_of(model, topology, **options):
    defaults = {"precision": "double", "removeCMMotion": False, "ewaldErrorTolerance": 1e-5}
    options = {**defaults, "returnEnergyType": "energy", **options}
    return MLPotential("polarmp", modelPath=model).createSystem(topology, **options)


@pytest.mark.parametrize("periodic", [True, False], ids=["box", "cluster"])
@pytest.mark.parametrize("platform", [REFERENCE, CPU], ids=str)
def test_same_as_torch(platform, periodic, tmp_path):
    topology, positions = water(8, periodic)
    model = flowing()
    model.save(tmp_path / "flows.polarmp")
    system = system_of(str(tmp_path / "flows.polarmp"), topology)
    force = force_in(system)
    assert force.getModel().evaluator == "native"
    context = platform.context(system, positions=positions)
    energy, forces = energy_and_forces(context)
    assert abs(force.getPairFlows(context).charges).max() > 0.01
    assert abs(force.getInducedCharges(context)).max() > 1e-3
    model = model.double()
    model.accuracy = 1e-13
    expected_energy, expected_forces = model_energy_and_forces(
        model, topology, positions, method="ewald" if periodic else "direct"
    )
    exact = platform.name == "Reference"
    assert energy == pytest.approx(expected_energy, rel=1e-8 if exact else 1e-5)
    assert relative_error(forces, expected_forces) < (1e-8 if exact else 2e-5)
    copied = platform.context(openmm.XmlSerializer.clone(system), positions=positions)
    assert energy_and_forces(copied)[0] == pytest.approx(energy, rel=1e-10)


@pytest.mark.parametrize("platform", [REFERENCE, CPU], ids=str)
def test_born_charges_and_their_sum(platform):
    """Without torch and without nearest images: the response of forces to a field, in a box exactly dP/dr."""
    topology, positions = water(8)
    system = system_of(flowing(), topology, ewaldErrorTolerance=1e-6)
    force, context = force_in(system), platform.context(system, positions=positions)
    born = force.getBornEffectiveCharges(context)
    assert np.abs(born.sum(0)).max() < 1e-6
    h = 1e-5

    def polarization():
        step, flows = force.getStepData(context), force.getPairFlows(context)
        return step.local_charges @ present + flows.dipole + (step.dipoles + step.induced_dipoles).sum(0)

    scale = force.getStepData(context).field_scale
    for atom, b in ((0, 0), (4, 1), (17, 2)):
        values = []
        for sign in (1, -1):
            present = positions.copy()
            present[atom, b] += sign * h
            context.setPositions(present)
            values.append(polarization())
        slope = scale * (values[0] - values[1]) / (2 * h)
        np.testing.assert_allclose(
            born[atom, :, b], slope, atol=(1e-5 if platform == REFERENCE else 1e-3) * np.abs(born).max()
        )


@pytest.mark.parametrize("rung", ["quQ", "quQ+ca"], ids=["transfers", "flows"])
def test_energy_in_a_field(rung):
    """In a box: what a run gains of energy is the work of the field's changing scale alone, and nothing at a constant scale."""
    topology, positions = water(8)
    system = system_of(flowing(rung), topology)
    for i in range(system.getNumParticles()):
        system.setParticleMass(i, 1e4)  # they fly on whatever an untrained model does to them
    force = force_in(system)
    context = REFERENCE.context(system, openmm.VerletIntegrator(1e-5), positions)
    context.setVelocities(2.0 * np.random.default_rng(0).normal(size=positions.shape))
    force.setExternalField(context, FIELD)
    energies, scales, works = [], [], []
    for _ in range(300):
        state = context.getState(energy=True, positions=True)
        r = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        step, flows = force.getStepData(context), force.getPairFlows(context)
        P = step.local_charges @ r + flows.dipole + (step.dipoles + step.induced_dipoles).sum(0)
        energies.append((state.getPotentialEnergy() + state.getKineticEnergy()).value_in_unit(unit.kilojoule_per_mole))
        scales.append(step.field_scale)
        works.append(-units.ENERGY_TO_OPENMM / units.FIELD_TO_OPENMM * units.ANGSTROM_PER_NM * (P @ FIELD))
        context.getIntegrator().step(1)
    energies, scales, works = map(np.array, (energies, scales, works))
    gained = np.concatenate([[0], np.cumsum((works[1:] + works[:-1]) / 2 * np.diff(scales))])
    exchanged = np.ptp(scales * works)  # between the field and the atoms
    assert exchanged > 1
    assert np.ptp(energies - gained) < 5e-3 * exchanged
    if rung == "quQ":
        assert np.ptp(scales) == 0


def test_mixed_system():
    """One molecule of the model among others of a force field, whose charges drive its flows; their charge is conserved."""
    topology, positions = water(27)
    topology.setPeriodicBoxVectors(np.eye(3) * 0.93 * unit.nanometer)
    forcefield = app.ForceField("amber14/tip3p.xml")
    mm = forcefield.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=0.4 * unit.nanometer)
    system = MLPotential("polarmp", modelPath=flowing()).createMixedSystem(
        topology, mm, [0, 1, 2], embedding="electrostatic", precision="double"
    )
    force = force_in(system)
    contexts = [p.context(system, positions=positions) for p in (REFERENCE, CPU)]
    forces = [energy_and_forces(context)[1] for context in contexts]
    assert relative_error(forces[1], forces[0]) < 2e-3
    dq = force.getInducedCharges(contexts[0])
    assert np.abs(force.getEmbeddingPotential(contexts[0])).max() > 1
    assert np.abs(dq).max() > 1e-3 and abs(dq.sum()) < 1e-12


def test_a_total_charge_that_formal_charges_do_not_give():
    topology, _ = water(2, periodic=False)
    with (
        pytest.warns(UserWarning, match="the residues suggest 0 e"),
        pytest.raises(ValueError, match=r"total_charge is 1\.0; the formal charges of these atoms sum to 0\.0"),
    ):
        system_of(flowing(), topology, charge=1)


def test_reporters():
    """The polarization does not depend on how the molecules of the topology lie; the polarizability has the pairs' share."""
    topology, positions = water(8)
    system = system_of(flowing(), topology)
    force = force_in(system)
    rows = []
    for moved in (np.zeros(3), 0.62 * np.eye(3)[0]):  # the first hydrogen, by a box vector
        r = positions.copy()
        r[1] += moved
        simulation = app.Simulation(
            topology, system, openmm.VerletIntegrator(1e-6), openmm.Platform.getPlatformByName("CPU")
        )
        simulation.context.setPositions(r)
        files = [io.StringIO(), io.StringIO()]
        simulation.reporters += [DipoleReporter(files[0], 1), PolarizabilityReporter(files[1], 1)]
        simulation.step(1)
        rows.append([np.array(f.getvalue().splitlines()[1].split(","), float) for f in files])
    step, flows = force.getStepData(simulation.context), force.getPairFlows(simulation.context)
    # The formal charge moves with the atom, and nothing else changes.
    np.testing.assert_allclose(rows[1][0][2:5] - rows[0][0][2:5], FORMAL[1] * moved, atol=1e-4)
    expected = step.local_charges @ r + flows.dipole
    np.testing.assert_allclose(rows[1][0][2:5], expected, atol=1e-4)
    alpha = units.COULOMB * (step.polarizability.sum(0) + flows.polarizability) / units.POLARIZABILITY_TO_OPENMM
    np.testing.assert_allclose(rows[1][1][2:5], np.diag(alpha), rtol=1e-4)
    np.testing.assert_allclose(rows[0][1][2:8], rows[1][1][2:8], rtol=1e-3)
