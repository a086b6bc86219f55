"""Given total charges and Fermi levels as settings: copies, XML, checkpoints, and what is refused."""

import numpy as np
import openmm
import pytest
from support.platforms import CPU, PLATFORMS, REFERENCE, usable
from support.systems import CUBIC, constrained_force, energy_and_forces, make_system, random_atoms, sums_of_groups

from openmm_polarmp import FixedMultipoles, PolarMPForce

FIELD = (1, -2, 1.5)  # V/nm


@pytest.mark.parametrize("setting", ["charge", "level"])
def test_a_field_in_a_box_is_refused(setting):
    """The polarization of charge that moves any distance is not unique there."""
    atoms = random_atoms(8, CUBIC, charged=True)
    force = constrained_force(atoms, *([0.5] if setting == "charge" else []))
    if setting == "level":
        force.setFermiLevel(-200)
    context = REFERENCE.context(make_system(8, atoms.cell, force), positions=0.1 * atoms.positions)
    force.setExternalField(context, FIELD)
    with pytest.raises(openmm.OpenMMException, match="field is accepted with NoCutoff"):
        context.getState(energy=True)
    with pytest.raises(ValueError, match=r"polarization current is asked for, but in .* NoCutoff is accepted"):
        force.getPolarizationCurrent(context)
    force.setTotalChargeConstraint(None)
    force.setFermiLevel(None)
    force.updateParametersInContext(context)
    assert np.isfinite(energy_and_forces(context)[0])


def test_settings_survive_copies_and_xml():
    force = PolarMPForce(FixedMultipoles(np.zeros(9)))
    assert force.getTotalChargeConstraint() is None and force.getFermiLevel() is None
    force.setParticles(range(1, 10))
    force.setTotalChargeConstraint([1.0, -0.25], [[4], [7, 2]])
    copies = (
        openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(force)),
        openmm.XmlSerializer.clone(force),
    )
    for copy in copies:
        charges, groups = PolarMPForce.cast(copy).getTotalChargeConstraint()
        np.testing.assert_array_equal(charges, [1.0, -0.25])
        assert groups == [[4], [7, 2]]
    force.setTotalChargeConstraint(-1)
    charges, groups = PolarMPForce.cast(openmm.XmlSerializer.clone(force)).getTotalChargeConstraint()
    assert (charges.tolist(), groups) == ([-1.0], [])
    force.setTotalChargeConstraint(None)
    force.setFermiLevel(-300)
    copy = PolarMPForce.cast(openmm.XmlSerializer.clone(force))
    assert copy.getFermiLevel()._value == -300.0 and copy.getTotalChargeConstraint() is None


def test_a_checkpoint_goes_on_as_before():
    """Groups are in the System's indices; a Context that is loaded from a checkpoint finds the same charges."""
    atoms = random_atoms(12, CUBIC, charged=True)
    force = constrained_force(atoms, [0.5, -0.5], [[13, 2], [3]], epsilon=1e-9)
    force.setParticles(range(2, 14))
    positions = np.vstack([np.zeros((2, 3)), 0.1 * atoms.positions])
    system = make_system(14, atoms.cell, force)
    context = CPU.context(system, positions=positions)
    context.getIntegrator().step(2)
    checkpoint, data = context.createCheckpoint(), force.getStepData(context)
    np.testing.assert_allclose(sums_of_groups(data, [[11, 0], [1]]), [0.5, -0.5], atol=1e-9)
    context.getIntegrator().step(2)
    context.loadCheckpoint(checkpoint)
    np.testing.assert_allclose(force.getStepData(context).induced_charges, data.induced_charges, atol=1e-6)


@pytest.mark.parametrize("choice", [p for p in PLATFORMS if p.precision in (None, "mixed")], ids=str)
def test_charge_that_nothing_can_take_up_and_no_convergence(choice):
    """They are errors; permanent charges that have the given sum already are none."""
    usable(choice)
    atoms = random_atoms(12, None)
    atoms.softness[[2, 5]] = 0.0
    present = atoms.charges[2] + atoms.charges[5]
    force = constrained_force(atoms, [0.5, present], [[0, 1], [2, 5]], epsilon=1e-4)
    context = choice.context(make_system(12, None, force), positions=0.1 * atoms.positions)
    assert np.isfinite(energy_and_forces(context)[1]).all()
    force.setMutualInducedMaxIterations(1)
    force.updateParametersInContext(context)
    with pytest.raises(openmm.OpenMMException, match="not converged in 1 iterations: the residual is"):
        context.getState(forces=True)
    force.setMutualInducedMaxIterations(60)
    force.setTotalChargeConstraint([0.5, 2.0], [[0, 1], [2, 5]])
    force.updateParametersInContext(context)
    with pytest.raises(
        openmm.OpenMMException, match=r"gives group 1 2 e, but its particles have no softness and .* charges of"
    ):
        context.getState(forces=True)


def test_refusals():
    atoms = random_atoms(6, None)
    force = constrained_force(atoms)
    with pytest.raises(RuntimeError, match="has 2 charges for 1 groups; one for each group is accepted"):
        force.setTotalChargeConstraint([1.0, 2.0], [[0]])
    with pytest.raises(ValueError, match="a sequence with one number for each of the groups"):
        force.setTotalChargeConstraint(1.0, [[0]])
    with pytest.raises(RuntimeError, match="particle 3 is in the groups 0 and 1 of the total charge constraint"):
        force.setTotalChargeConstraint([0, 0], [[1, 3], [3]])
    with pytest.raises(RuntimeError, match="group 0 of the total charge constraint has no particles"):
        force.setTotalChargeConstraint([0], [[]])
    with pytest.raises(RuntimeError, match="charge 0 of the total charge constraint is nan"):
        force.setTotalChargeConstraint(np.nan)
    with pytest.raises(ValueError, match="level is inf; a finite number of kJ/mol"):
        force.setFermiLevel(np.inf)

    def refused(message, **settings):
        for name, value in settings.items():
            getattr(force, name)(*value)
        with pytest.raises(openmm.OpenMMException, match=message):
            REFERENCE.context(make_system(6, None, force.__class__.cast(openmm.XmlSerializer.clone(force))))

    refused("group 1 of the total charge constraint contains particle 6", setTotalChargeConstraint=([0, 0], [[1], [6]]))
    refused("a Fermi level and a total charge constraint are set", setFermiLevel=(-3,), setTotalChargeConstraint=(0,))
    refused(
        r"a total charge constraint is set with polarization type 0; Mutual \(2\)",
        setFermiLevel=(None,),
        setPolarizationType=(0,),
    )
    refused("a source with softness is accepted", setPolarizationType=(2,), setModel=(FixedMultipoles(np.zeros(6)),))
